"""LiveCodeBench's problems, whose hidden tests lie compressed in a column."""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.component import component, option
from etude.sources.columns import MappedRows
from etude.sources.dataset import Dataset
from etude.sources.interface import Rows
from etude.sources.text import Unreadable, shown

#: What rows have beyond their mapped columns.
COLUMNS = ("id", "prompt", "tests", "starter_code")

#: Bytes that the tests of a problem may have, decompressed.
_LARGEST = 1 << 29


@component(provides=[f"column:{name}" for name in COLUMNS])
@dataclass(frozen=True)
class LiveCodeBench(Dataset):
    """Competition problems with public and hidden tests, for programs and for methods of a class.

    ``tests`` are those of both columns: what is to be printed for an input, or assertions about
    ``Solution().method`` where ``metadata`` names one. The code that is given to go on from stands
    below the problem (arXiv 2403.07974).
    """

    hub: str | None = option(
        "lighteval/code_generation_lite", "name of the set on the Hugging Face hub"
    )
    config: str | None = option("v6", "configuration of the hub set")
    splits: dict[str, str] = option(
        {"test": "test"}, "split → its name on the hub, or its file in the folder"
    )
    columns: dict[str, str | None] = option(
        {
            "prompt": "question_content",
            "id": "question_id",
            "starter_code": "starter_code",
            "public": "public_test_cases",
            "hidden": "private_test_cases",
            "metadata": "metadata",
            "difficulty": "difficulty",
            "date": "contest_date",
        },
        "name recipes use → column in the file (a|b: the first that is there; a.b.0: inside its"
        " values), null: none",
    )

    def shaped(self, mapped: MappedRows, key: str) -> Rows:
        """Return problems with their tests."""
        return ProblemRows(mapped)


class ProblemRows(Sequence[Mapping[str, Any]]):
    """Problems; tests are decompressed when a row is read."""

    def __init__(self, rows: MappedRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one problem; raises DataError where its tests cannot be read."""
        row = dict(self._rows[position])
        public, hidden = row.pop("public", None), row.pop("hidden", None)
        about = row.pop("metadata", None) or {}
        found: list[Any] = []
        for name, written in (("metadata", about), ("public", public), ("hidden", hidden)):
            try:
                if name == "metadata":
                    about = json.loads(written) if isinstance(written, str) else written
                else:
                    found += tests_in(written, about.get("func_name"))
            except (ValueError, TypeError, KeyError, AttributeError) as problem:
                fault = Unreadable(f"holds {problem}")
                raise self._rows.refusal(position, name, fault) from problem
        starter = row.get("starter_code") or ""
        below = f"\n\nGo on from this:\n{starter.rstrip()}" if starter.strip() else ""
        return {**row, "prompt": f"{row['prompt']}{below}", "starter_code": starter, "tests": found}

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the problems at ``positions`` (None: of all)."""
        places = range(len(self)) if positions is None else positions
        if name in ("prompt", "tests"):
            return [self[int(place)][name] for place in places]
        return self._rows.column(name, places)


def tests_in(written: Any, method: str | None) -> list[Any]:
    """Return the tests of a column as ``verifier=code`` reads them, none of an empty one.

    Raises ValueError where they are not JSON, nor JSON that was compressed as the authors do.
    """
    if written is None or written == "":
        return []
    listed = written if isinstance(written, list) else json.loads(_decoded(str(written)))
    if not isinstance(listed, list):
        raise ValueError(f"no list of tests: {shown(listed)}")
    return [_test(each, method) for each in listed]


def _test(given: Mapping[str, Any], method: str | None) -> Any:
    if method is None:
        return {"stdin": given["input"], "stdout": given["output"]}
    if not method.isidentifier():
        raise ValueError(f"a method's name that is none: {method[:60]!r}")
    arguments = [json.loads(line) for line in str(given["input"]).split("\n") if line.strip()]
    listed = ", ".join(map(repr, arguments))
    return f"assert Solution().{method}({listed}) == {json.loads(given['output'])!r}"


def _decoded(text: str) -> str:
    """Return JSON as it is, or decompressed: base64 of zlib of a pickled text."""
    if text.lstrip()[:1] in ("[", "{"):
        return text
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), _LARGEST)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"neither JSON nor compressed JSON ({error})") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {_LARGEST:,} bytes of tests")
    try:
        found = _TextOnly(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError) as error:
        raise ValueError(f"no pickled text ({error})") from error
    if not isinstance(found, str):
        raise ValueError(f"{shown(found)}, and not the text of its tests")
    return found


class _TextOnly(pickle.Unpickler):
    """Reads pickled texts, numbers and lists; a pickle that names a class or a function runs it."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and would run it")
