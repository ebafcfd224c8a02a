"""A plug-in whose YAML was not written yet says what writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import etude
from etude.config.installation import make
from etude.config.plugins import Plugin
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.schema import built_in, parse


def test_a_component_without_its_yaml_names_the_command_that_writes_it(tmp_path: Path) -> None:
    package = Path(etude.__file__).parent
    content = json.loads((package / "schema.json").read_text())
    grpo = content["components"]["objective/advantage"]["grpo"]
    schema = parse(
        {"groups": {}, "components": {"objective/advantage": {"sharper": grpo}}}, "outside"
    )
    here = make(built_in(), package, [Plugin("outside", "outside", tmp_path, schema)], tmp_path)
    with pytest.raises(ConfigError, match=r"python -m etude\.schema --package outside"):
        prepare(["objective/advantage=sharper"], installation=here)
