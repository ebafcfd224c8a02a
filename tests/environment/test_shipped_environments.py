"""Environments that come with etude, as components: what they make, declare and refuse."""

import importlib.util
import inspect
from typing import Any

import pytest

from etude.build import build
from etude.config.prepare import prepare
from etude.environment.interface import PROTOCOL
from etude.errors import ConfigError, DataError
from etude.schema import load
from etude.tasks.openenv_package import ServerEpisode
from etude.tasks.verifiers_package import HostedEpisode

SHIPPED = ("calculator", "general_points", "guess_number", "search", "sokoban", "wordle")
TOOLS = {"calculator": {"calculate"}, "search": {"search"}}


def made(name: str, **options: Any) -> Any:
    return build({"name": name, **options}, "environment").make()


@pytest.mark.parametrize("name", SHIPPED)
def test_its_parts_and_its_tools_are_those_it_declares(name: str) -> None:
    info = load().find("environment", name)
    assert info is not None
    game = made(name)
    game.reset(1, **({"prompt": "2*3=", "answer": "6"} if name == "calculator" else {"level": 1}))
    declared = {need.what for need in info.provides if need.what.startswith("part:")}
    assert {f"part:{part}" for part in game.parts()} == declared
    public = {
        each
        for each, _ in inspect.getmembers(game, callable)
        if not each.startswith("_") and each not in PROTOCOL
    }
    assert public == TOOLS.get(name, set())


def test_options_reach_the_game() -> None:
    assert made("guess_number", prompt="1-{largest}", spare=3).reset(1) == [
        {"role": "user", "content": "1-3"}
    ]
    assert made("general_points", target=10).reset(1)[0]["content"].startswith("10: ")
    assert made("wordle", guesses=1).reset(1)
    assert made("calculator", offered=False).calculate("1+1") == "error"
    assert made("sokoban", at_once=4, limit=7).at_once == 4


def test_an_environment_without_its_rows_or_its_package_starts_nothing() -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=rl", "data_mix=arithmetic", "environment=wordle"])
    assert "environment wordle needs" in str(caught.value)
    for name in ("openenv", "verifiers"):
        if importlib.util.find_spec(name) is not None:
            continue
        with pytest.raises(ConfigError) as caught:
            prepare(["recipe=rl", "data_mix=episodes", f"environment={name}"])
        assert f"pip install 'etude[{name}]'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "episode"),
    [
        ("openenv", ServerEpisode("http://127.0.0.1:9", "guess", "", 1)),
        ("verifiers", HostedEpisode("no_such_environment", {}, 1)),
    ],
)
def test_what_cannot_be_reached_is_said(name: str, episode: Any) -> None:
    with pytest.raises(DataError, match=rf"environment {name}.*(needs the package|began no|loads)"):
        episode.reset(1)
