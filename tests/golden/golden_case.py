"""Golden cases: numbers that components must reproduce, read from JSON files.

A file is ``{method, source, dtype, tolerance, note, cases: [{name, config, inputs, expected,
notes, source}]}``. An adapter (one file in ``adapters/``) claims a method and says which cases are
its kind; it takes every key it understands from a case, runs the component and compares. A key
that nobody takes is a failure: a case is never half checked.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

FILE_KEYS = {"method", "source", "dtype", "tolerance", "note", "notes", "summary", "cases"}
CASE_KEYS = {"name", "config", "inputs", "expected", "notes", "source"}
REQUIRED = object()
#: Cases of claimed methods whose component is still to come: (method, case) → what it waits for.
LATER = {
    ("maxmin", "em_two"): "the reward models that the EM trains",
    ("tango", "alpha_exp"): "the recipe that trains generator and verifier in turn",
    ("tango", "alpha_linear"): "the recipe that trains generator and verifier in turn",
    ("tango", "adv_mixed"): "the recipe that trains generator and verifier in turn",
    ("tango", "reweight_sqrt"): "the weights of classes in the advantages of a trained verifier",
}


class Taken:
    """A mapping whose keys are ticked off as they are read."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where = where
        self.values = values
        self.left = set(values)

    def take(self, key: str, default: Any = REQUIRED) -> Any:
        """Return a value and tick its key off; without a default the key must be there."""
        self.left.discard(key)
        if default is REQUIRED:
            assert key in self.values, f"{self.where} has no {key!r}; it has {sorted(self.values)}"
            return self.values[key]
        return self.values.get(key, default)

    def choose(self, key: str, table: Mapping[Any, Any], default: Any = REQUIRED) -> Any:
        """Return what ``table`` has for the value of ``key``; an unknown value is a failure."""
        value = self.take(key, default)
        assert value in table, f"{self.where} {key}={value!r} is not known: {sorted(table)}"
        return table[value]

    def tensor(self, key: str, default: Any = REQUIRED) -> Any:
        """Return a value as a float64 tensor (None stays None)."""
        value = self.take(key, default)
        return None if value is None else torch.tensor(value, dtype=torch.float64)

    def __contains__(self, key: str) -> bool:
        return key in self.values


@dataclass
class Case:
    """One case of a file, with the tolerance of the file."""

    file: str
    method: str
    name: str
    config: Taken
    inputs: Taken
    expected: Taken
    rtol: float
    atol: float

    def check(self, key: str, actual: Any) -> None:
        """Compare an expected value, ticking its key off."""
        compare(f"{self.name}: {key}", actual, self.expected.take(key), self.rtol, self.atol)

    def check_if_given(self, key: str, actual: Any) -> None:
        """Compare an expected value if the case has it."""
        if key in self.expected:
            self.check(key, actual)

    def finish(self) -> None:
        """Fail when a key of the case was not understood."""
        left = [
            f"{part.where} {key!r}"
            for part in (self.config, self.inputs, self.expected)
            for key in sorted(part.left)
        ]
        assert not left, f"{self.name}: nothing checks {', '.join(left)}"


def compare(where: str, actual: Any, expected: Any, rtol: float, atol: float) -> None:
    """Fail unless two numbers, tensors or nested lists are equal within the tolerance."""
    if isinstance(actual, torch.Tensor):
        actual = actual.detach().tolist()
    if isinstance(expected, list):
        assert isinstance(actual, list), f"{where}: expected a list, got {actual!r}"
        assert len(actual) == len(expected), f"{where}: {len(actual)} instead of {len(expected)}"
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            compare(f"{where}[{i}]", a, e, rtol, atol)
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where}: expected an object, got {actual!r}"
        assert sorted(actual) == sorted(expected), f"{where}: {sorted(actual)}"
        for key, value in expected.items():
            compare(f"{where}.{key}", actual[key], value, rtol, atol)
    elif isinstance(expected, bool | str | None) or isinstance(actual, bool | str | None):
        assert actual == expected, f"{where}: {actual!r} instead of {expected!r}"
    else:
        close = abs(actual - expected) <= atol + rtol * abs(expected)
        assert close, f"{where}: {actual!r} instead of {expected!r}"


@dataclass(frozen=True)
class Adapter:
    """One file of ``adapters/``: the cases of a method that have certain keys, and how to run one.

    The module defines ``METHOD``, ``CONFIG`` and ``INPUTS`` (keys a case of its kind has, and no
    other kind of the method has together) and ``run(case)``; where the method's files have another
    form than ours, ``reshaped(case)`` returns a case in it.
    """

    module: ModuleType

    @property
    def method(self) -> str:
        """Return the method the adapter claims."""
        return str(self.module.METHOD)

    @property
    def reshapes(self) -> bool:
        """Return whether its method's files have a form of their own, which it knows."""
        return hasattr(self.module, "reshaped")

    def fits(self, case: Mapping[str, Any]) -> bool:
        """Return whether a raw case is of this adapter's kind."""
        config, inputs = self.module.CONFIG, self.module.INPUTS
        return not (config - set(case["config"])) and not (inputs - set(case["inputs"]))


@cache
def adapters() -> tuple[Adapter, ...]:
    """Return every adapter, in the order of their file names."""
    found = []
    for path in sorted((Path(__file__).parent / "adapters").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"golden_adapter_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        found.append(Adapter(module))
    return tuple(found)


def claimed() -> set[str]:
    """Return the methods that at least one adapter claims."""
    return {adapter.method for adapter in adapters()}


def files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and content of every file of a claimed method in a folder."""
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        method = content.get("method")
        if method in claimed():
            content["cases"] = [reshaped(method, case) for case in content["cases"]]
            yield path.name, content


def reshaped(method: str, case: dict[str, Any]) -> dict[str, Any]:
    """Return a case as it is run; a file may have a form of its own, known to an adapter."""
    if "inputs" in case:
        return case
    forms = [a.module.reshaped for a in adapters() if a.method == method and a.reshapes]
    assert len(forms) == 1, f"{method}: {case.get('id')}: {len(forms)} adapters know its form"
    return dict(forms[0](case))


def cases(folder: Path) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return every case of a claimed method in a folder as (file, file's content, raw case)."""
    return [
        (name, content, case)
        for name, content in files(folder)
        for case in content["cases"]
        if (content["method"], case["name"]) not in LATER
    ]


def run(file: str, content: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
    """Run one case through its component; fails on a wrong number or a key nobody knows."""
    strange = (set(content) - FILE_KEYS) | (set(raw) - CASE_KEYS)
    assert not strange, f"{file}: {raw['name']}: keys nobody knows: {sorted(strange)}"
    known = "float64" in content["dtype"] or content["dtype"] in ("text", "as named per case")
    assert known, f"{file}: dtype {content['dtype']!r} is not known"
    method = content["method"]
    fitting = [a for a in adapters() if a.method == method and a.fits(raw)]
    assert len(fitting) == 1, (
        f"{file}: {raw['name']}: {len(fitting)} adapters of {method} take a case with config "
        f"{sorted(raw['config'])} and inputs {sorted(raw['inputs'])}"
    )
    tolerance = content.get("tolerance", {"rtol": 1e-6, "atol": 1e-9})
    case = Case(
        file,
        method,
        raw["name"],
        Taken("config", raw["config"]),
        Taken("inputs", raw["inputs"]),
        Taken("expected", raw["expected"]),
        tolerance["rtol"],
        tolerance["atol"],
    )
    fitting[0].module.run(case)
    case.finish()
