"""Episodes in worker processes: hostile environments are contained, and others are not touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etude.environment.pool import Begun, EnvironmentPool, Sent
from rude import Rude

SECONDS = 2.0

#: The tools that all of them have, described once.
TOOLS: list[dict[str, Any]] = []

#: What a polite one drew first.
DRAWN: list[str] = []

#: What an environment does → how its episode breaks, or None where it goes on all the same.
KINDS = {
    "": None,
    "reset hangs": "no answer after 2 s",
    "reset returns text": "in the place of a list of messages",
    "reset says megabytes": None,
    "hangs": "no answer after 2 s",
    "spins": "no answer after 2 s",
    "exits": "exited with code 3",
    "is killed": "was killed by SIGKILL",
    "leaves": "SystemExit",
    "closes everything": "the process",
    "says megabytes": None,
    "takes memory": None,
    "returns an object": "which is no text and no JSON",
    "raises": None,
    "prints": None,
    "draws": None,
    "forks": None,
    "forks a sleeper": None,
    "parts are text": "no finite number",
    "parts are nan": "no finite number",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[EnvironmentPool]:
    sent = Sent({kind: Rude(kind) for kind in KINDS}, memory=1024)
    opened = EnvironmentPool(sent, 1)
    yield opened
    opened.close()


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"what": "turn", "text": "", "calls": [{"name": name, "arguments": arguments}]}


def begin(pool: EnvironmentPool, kind: str) -> Begun:
    if not TOOLS:
        TOOLS.extend(pool.describe(""))
    return pool.begin(kind, 5, {"level": 2, "answer": "not asked for"}, 100, TOOLS)


def told(found: dict[str, Any] | None) -> list[str]:
    return [] if found is None else [each["content"] for each in found["messages"]]


def gone(process: int) -> bool:
    """Tell whether a process is over, buried or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_environment_does_is_the_outcome_of_its_episode_and_of_no_other(pool, kind):
    rude, polite = begin(pool, kind), begin(pool, "")
    both = [(each, each.head("reset")) for each in (rude, polite)]
    assert told(pool.ask(both, SECONDS)[1]) == ["level 2"]
    turns = []
    for number in (1, 2):
        asked = [(each, call("add", number=number)) for each in (rude, polite)]
        turns.append(pool.ask(asked, SECONDS))
    assert [told(found[1]) for found in turns] == [['{"count": 1}'], ['{"count": 3}']]
    drawn = told(pool.ask([(polite, call("draw"))], SECONDS)[0])
    assert drawn == DRAWN or not DRAWN
    DRAWN[:] = drawn  # the random state is its own, whatever others do to theirs
    ended = [(each, {"what": "finish", "messages": []}) for each in (rude, polite)]
    theirs, own = pool.ask(ended, SECONDS)
    assert own == {"parts": {"count": 3.0, "child": 0.0}}

    expected = KINDS[kind]
    if expected is not None:
        assert expected in rude.broken and theirs is None
        assert rude.late == ("no answer" in expected)
        return
    assert not rude.broken and theirs is not None
    if kind == "says megabytes":
        assert [len(each) for each in told(turns[0][0])] == [101] and turns[0][0]["cut"] == 1
    if kind in ("raises", "takes memory"):
        assert told(turns[0][0])[0].startswith("error: ") and turns[0][0]["failed"] == 1
    child = int(theirs["parts"]["child"])
    if child:
        pool.close()  # and all that it has started
        limit = time.monotonic() + 5
        while not gone(child) and time.monotonic() < limit:
            time.sleep(0.01)
        assert gone(child)


def test_what_cannot_be_played_again_is_broken_and_counted(pool):
    """An episode that lives with one that dies is played again; one that differs is no episode."""
    good, odd, deadly = begin(pool, ""), begin(pool, ""), begin(pool, "exits")
    pool.ask([(each, each.head("reset")) for each in (good, odd, deadly)], SECONDS)
    pool.ask([(good, call("add", number=4))], SECONDS)
    odd.told[0] = (odd.told[0][0], "said otherwise before")
    counted = pool.broken
    asked = [(deadly, call("add", number=1)), (good, call("add", number=1)), (odd, call("draw"))]
    found = pool.ask(asked, SECONDS)
    assert [told(each) for each in found] == [[], ['{"count": 5}'], []]
    assert "went another way" in odd.broken
    assert pool.broken == counted + 2
