"""schema.json and the YAML of components, written from code and held to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from etude import component as registry
from etude.component import Need, component, entries, option, slot, slots
from etude.config import generate, reflect, root_yaml, write_yaml
from etude.config.installation import installed
from etude.config.read_yaml import read_yaml
from etude.schema import built_in, parse


@dataclass(frozen=True)
class Size:
    width: int = option(64, "hidden size", ge=1)


@dataclass(frozen=True)
class Base:
    kept: bool = option(doc="comes from the base")


@dataclass(frozen=True)
class Thing(Base):
    """Does one thing. And another."""

    wanted: str = option(doc="has no default")
    part: Any = slot("first", "what it is made of")
    bare: Any = slot("", "may be absent")
    parts: Any = slots("one", "two", doc="what is added")
    lr: float = option(1e-6, "rate", gt=0)
    size: Size = field(default_factory=Size, metadata={"doc": "how large"})
    names: dict[str, str] = option({"a": "b"}, "keys and values")
    long: str = option("x", "a sentence that is so long that it cannot stand beside its key " * 2)
    limit: int | None = option(None, "none", kind="execution", read_by="samples")


def entry() -> dict[str, Any]:
    with mock.patch.dict(registry.REGISTRY, clear=True):
        made = component(
            group="box", name="thing", source="arXiv 1", requires=["column:x"], provides=[Need("y")]
        )(Thing)
        return reflect.describe_component(made)


def test_an_entry_carries_what_yaml_cannot() -> None:
    described = entry()
    assert described["class"].endswith(":Thing")
    assert described["doc"] == "Does one thing."
    assert next(iter(described["fields"])) == "kept"
    fields = described["fields"]
    assert fields["part"]["type"] == {"slot": "box/part"}
    assert fields["parts"]["default"] == ["one", "two"]
    assert fields["bare"]["optional"] is True
    assert fields["lr"]["bounds"] == {"gt": 0}
    assert fields["limit"] == {
        "type": "int",
        "optional": True,
        "default": None,
        "doc": "none",
        "kind": "execution",
        "choices": None,
        "bounds": {},
        "read_by": "samples",
    }
    assert fields["wanted"]["mandatory"] is True
    assert described["requires"] == [{"what": "column:x", "when": "", "why": ""}]
    json.dumps(described)


def test_the_yaml_has_every_field_with_its_comment() -> None:
    text = write_yaml.component_yaml("box", "thing", entry())
    content = yaml.safe_load(text)
    assert content["defaults"] == [
        {"part": "first"},
        {"bare": None},
        {"parts": ["one", "two"]},
        "_self_",
    ]
    assert content["name"] == "thing"
    assert content["size"] == {"width": 64}
    assert content["names"] == {"a": "b"}
    assert content["wanted"] == "???"
    assert "lr: 1.0e-06  # rate" in text
    assert max(map(len, text.splitlines())) <= 100
    for key in ("kept", "lr", "wanted", "limit"):
        assert content.keys() >= {key}


@dataclass(frozen=True)
class Role:
    load: str = option("start", "where it comes from")
    model: Any = slot("", "its kind", group="model")


@dataclass(frozen=True)
class Holder:
    judge: Any = slot("number", "what judges", group="verifier")
    more: Any = slots(group="verifier", doc="other judges")
    two: Any = slots("math", "exact", group="verifier", doc="two judges")
    pair: Role = field(default_factory=Role, metadata={"doc": "another model"})
    roles: Mapping[str, Role] = entries({"critic": {"load": "base"}}, "every other model")


def described(cls: type, group: str, name: str) -> dict[str, Any]:
    with mock.patch.dict(registry.REGISTRY, clear=True):
        return reflect.describe_component(component(group=group, name=name)(cls))


def test_a_slot_of_another_group_is_chosen_by_that_groups_path() -> None:
    held = described(Holder, "box", "holder")
    assert held["fields"]["judge"]["type"] == {"slot": "verifier"}
    assert held["fields"]["more"]["type"] == {"slots": "verifier"}
    content = yaml.safe_load(write_yaml.component_yaml("box", "holder", held))
    assert content["defaults"] == [
        {"/verifier@judge": "number"},
        {"/verifier@two.math": "math"},
        {"/verifier@two.exact": "exact"},
        "_self_",
    ]
    assert content["more"] == {}
    assert content["pair"] == {"load": "start"}
    assert content["critic"] == {"load": "base"}
    assert "roles" not in content


def test_a_free_key_of_a_component_is_an_entry() -> None:
    entries = {"box": {"holder": described(Holder, "box", "holder")}}
    info = parse({"groups": {}, "components": entries}).find("box", "holder")
    assert "roles" not in info.fields
    assert info.field_of("name") is None
    assert info.field_of("anyone").struct["model"].slot == "model"
    node = {"name": "holder", "anyone": {"load": "x"}}
    assert "anyone" in [each.name for each in info.fields_in(node)]


def test_generating_names_a_field_without_doc_and_a_stale_file(tmp_path: Path) -> None:
    found = generate.Found()
    described = entry()
    described["fields"]["lr"]["doc"] = ""
    found.components = {"box": {"thing": described}}
    found.groups = {"box": "boxes", "empty": ""}
    assert "the field 'lr' has no doc" in generate._problems("box", "thing", described["fields"])[0]
    files = generate.planned_files(found, tmp_path)
    assert set(files) == {tmp_path / "schema.json", tmp_path / "conf/box/thing.yaml"}
    gone, own = tmp_path / "conf/box/gone.yaml", tmp_path / "conf/box/own.yaml"
    gone.parent.mkdir(parents=True)
    gone.write_text(f"{write_yaml.MARK}pkg.box.gone by python -m etude.schema\nname: gone\n")
    own.write_text(f"{write_yaml.MARK}pkg.box.thing by python -m etude.schema\nname: thing\n")
    assert generate.stale_files(found, tmp_path) == [gone]
    parsed = parse(json.loads(files[tmp_path / "schema.json"]))
    assert parsed.find("box", "thing").fields["lr"].bounds == {"gt": 0}


def test_a_type_that_cannot_be_a_config_key_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        thing: bytes = option(b"", "bytes")

    with pytest.raises(TypeError, match=r"Odd\.thing: a config key cannot have the type"):
        reflect.describe_fields(Odd, "box")


def test_schema_and_yaml_of_etude_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "etude.schema", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_primary_config_is_the_one_the_settings_give() -> None:
    folder = Path(registry.__file__).parent
    assert (folder / "conf" / "etude.yaml").read_text("utf-8") == root_yaml.text()


def test_every_key_of_every_preset_is_commented_and_known() -> None:
    here = installed()
    schema = built_in()
    problems = []
    for group in here.groups:
        if group == "recipe":
            continue
        for name, choice in here.choices(group).items():
            if choice.origin.user:
                continue
            info = schema.find(group, here.component_name(group, name))
            assert info is not None, f"{choice.path}: no component"
            content = read_yaml(choice.path)
            own = set(content) - {"name", "defaults"}
            unknown = {key for key in own if info.field_of(key) is None}
            problems += [f"{choice.path}: {key}" for key in unknown]
            if not choice.path.read_text("utf-8").startswith("#"):
                problems.append(f"{choice.path} does not begin with a comment")
    assert not problems
