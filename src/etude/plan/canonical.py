"""A config in the one form that fingerprints hash: typed, complete, result fields only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from etude.config import environment
from etude.config.settings import STAGE_EXTRAS
from etude.plan.digest import LONGEST_PATH, FileHashes
from etude.plan.places import WANTS
from etude.schema import ComponentInfo, FieldInfo, Schema, structs

_LIST = re.compile(r"list\[(.+)\]")
_DICT = re.compile(r"dict\[str,(.+)\]")

#: Keys whose value may name a file or folder on this machine; the content counts, not the place.
_PATH_KEY = re.compile(r"(.*_)?(path|paths|file|files|folder)")

#: Keys of references, which count as inputs, by what they lead to.
_PLANNED = frozenset(key for keys in STAGE_EXTRAS.values() for key in keys)


def to_json(value: Any) -> str:
    """Return the canonical JSON of a canonical value: sorted keys, no spaces, exact floats.

    Fragments among mappings stand for their text, which is not made again.
    """
    if isinstance(value, Fragment):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join([f"{_key(key)}:{to_json(value[key])}" for key in sorted(value)]) + "}"
    return _text(value)


#: The encoder of plain values; `json.dumps` would make a new one for each of them.
_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

#: The same for keys, which documents have in common.
_key = lru_cache(maxsize=4096, typed=True)(_text)


@dataclass(frozen=True)
class Fragment:
    """A canonical value with its JSON and the components that were read in it."""

    value: Any
    text: str
    components: Mapping[tuple[str, str], ComponentInfo]

    @classmethod
    def of(cls, value: Any, canon: Canonicaliser) -> Fragment:
        """Return the fragment of a value that ``canon`` alone has read."""
        return cls(value, _text(value), canon.components)


class Canonicaliser:
    """Turns config nodes into canonical values and collects the modules of their components.

    ``learner`` drops fields that other learners read; None keeps them all. ``components`` grows as
    nodes are read.
    """

    def __init__(
        self,
        schema: Schema,
        hashes: FileHashes,
        learner: str | None = None,
    ) -> None:
        self._schema = schema
        self._hashes = hashes
        self._learner = learner
        self.components: dict[tuple[str, str], ComponentInfo] = {}

    def node(self, node: Any, group: str) -> Any:
        """Return the canonical value of a component's node of ``group``; None stays None."""
        if not isinstance(node, Mapping):
            return self._loose(node, "")
        info = self._schema.find(group, str(node.get("name")))
        if info is None:
            return self._loose(node, "")
        self.components[group, info.name] = info
        # Of a component by path its code counts, and not where it lies.
        place = info.place
        value: dict[str, Any] = {
            "name": info.name if place is None else {"by_path": place.attribute, "says": place.says}
        }
        for described in info.fields_in(node):
            if self._counts(described):
                given = node.get(described.name, described.default)
                value[described.name] = self.field(given, described)
        value.update(self._extra_keys(node, info))
        return value

    def _counts(self, described: FieldInfo) -> bool:
        if described.kind != "result" or described.form in WANTS:
            return False
        if self._learner is None:
            return not described.read_by
        return self._schema.learner(self._learner).reads(described)

    def _extra_keys(self, node: Mapping[str, Any], info: ComponentInfo) -> dict[str, Any]:
        return {
            key: self._loose(value, key)
            for key, value in node.items()
            if info.field_of(key) is None and key not in ("name", "preset") and key not in _PLANNED
        }

    def field(self, value: Any, described: FieldInfo) -> Any:
        """Return the canonical value of one field."""
        return self._typed(value, described.type, described.name)

    def _typed(self, value: Any, kind: Any, key: str) -> Any:
        if value is None:
            return None
        if isinstance(kind, str):
            return self._simple(value, kind, key)
        if "slot" in kind:
            return self.node({"name": value} if isinstance(value, str) else value, kind["slot"])
        if "slots" in kind:
            parts = {name: {"name": name} for name in value} if isinstance(value, list) else value
            return {name: self.node(part, kind["slots"]) for name, part in parts.items()}
        if "list" in kind:
            return [self._typed(item, kind["list"], key) for item in value]
        if "dict" in kind:
            return {str(name): self._typed(item, kind["dict"], key) for name, item in value.items()}
        if "any_of" in kind:
            return self._any_of(value, kind["any_of"], key)
        fields = structs(kind)
        if fields is not None and isinstance(value, Mapping):
            return {
                name: self.field(value.get(name, described.default), described)
                for name, described in fields.items()
                if self._counts(described)
            }
        return self._loose(value, key)

    def _simple(self, value: Any, kind: str, key: str) -> Any:
        if kind == "float" and isinstance(value, (int, str)) and not isinstance(value, bool):
            return float(value)
        if kind == "int" and isinstance(value, float) and value.is_integer():
            return int(value)
        if (match := _LIST.fullmatch(kind)) and isinstance(value, (list, tuple)):
            return [self._typed(item, match[1], key) for item in value]
        if (match := _DICT.fullmatch(kind)) and isinstance(value, Mapping):
            return {str(name): self._typed(item, match[1], key) for name, item in value.items()}
        return self._loose(value, key)

    def _any_of(self, value: Any, kinds: list[Any], key: str) -> Any:
        names = [kind.get("choice") if isinstance(kind, dict) else kind for kind in kinds]
        if isinstance(value, (bool, str)):
            return self._loose(value, key)
        if isinstance(value, (int, float)):
            whole = "int" in names and float(value).is_integer()
            return int(value) if whole else float(value) if "float" in names else value
        for kind in kinds:
            if self._holds(kind, value):
                return self._typed(value, kind, key)
        return self._loose(value, key)

    @staticmethod
    def _holds(kind: Any, value: Any) -> bool:
        """Tell whether a container type of a union is the one a value has."""
        mapping = isinstance(value, Mapping)
        if isinstance(kind, str):
            return kind.startswith("dict[" if mapping else "list[")
        return bool({"struct", "dict"} & set(kind)) if mapping else "list" in kind

    def _content(self, value: str, key: str) -> dict[str, str] | None:
        """Return the hashes of the files a value names, if it names a file or a model folder."""
        if _PATH_KEY.fullmatch(key):
            return self._hashes.local(value)
        if "/" not in value or len(value) > LONGEST_PATH or "\n" in value:
            return None
        path = Path(value).expanduser()
        named = path.is_file() or (path / "config.json").is_file()
        return self._hashes.local(value) if named else None

    def _loose(self, value: Any, key: str) -> Any:
        """Return a value without a declared type; local paths become the hashes of their files."""
        if isinstance(value, Mapping):
            return {
                str(name): self._loose(item, str(name))
                for name, item in value.items()
                if name not in _PLANNED
            }
        if isinstance(value, (list, tuple)):
            return [self._loose(item, key) for item in value]
        if isinstance(value, Path):
            value = str(value)
        if isinstance(value, str):
            # Results depend on what a variable holds, and a digest does not give it away.
            value = str(environment.read(value))
            content = self._content(value, key)
            return value if content is None else {"files": content}
        return value
