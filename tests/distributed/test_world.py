"""A world of one costs nothing, and an environment that contradicts itself is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etude.distributed import world
from etude.distributed.together import apart, cut_short_by
from etude.distributed.world import World, announced, current, joined
from etude.errors import Interrupted, StageError
from etude.execute import ranks
from etude.execute.failures import first_failure, lost_another
from etude.execute.stop import Stop
from etude.learner.dealing import cut, deal
from etude.learner.microbatch import split

pytestmark = pytest.mark.slow


def test_alone_nothing_is_imported_and_every_exchange_returns_what_it_was_given() -> None:
    program = (
        "import sys\n"
        "from etude.distributed.together import by_all, by_main\n"
        "from etude.distributed.world import joined\n"
        "from etude.execute.failures import first_failure\n"
        "with joined() as world:\n"
        "    assert world.gather(3) == [3] and world.collect([1]) == [1]\n"
        "    assert world.broadcast(3) == 3 and world.first('a') == 'a'\n"
        "    assert world.any(True) and not world.any(False) and world.share([1, 2]) == [1, 2]\n"
        "    assert by_main(lambda: 3) == 3 and by_all(lambda: 3) == [3]\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "2", "RANK": "2"}, "ranks go from 0 to 1"),
        ({"WORLD_SIZE": "2"}, "RANK is None"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "1", "MASTER_PORT": "1"}, "without MASTER_ADDR"),
    ],
)
def test_an_environment_that_cannot_be_is_refused_before_anything_waits(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert announced() == World()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StageError, match=said), joined():
        pass
    assert current() == World()


def test_how_long_ranks_wait_for_the_others_to_come_is_no_limit_of_an_exchange() -> None:
    program = (
        "import os, sys, time\n"
        "from etude.distributed.world import joined\n"
        "late = os.environ['RANK'] == '1'\n"
        "time.sleep(2 if late else 0)\n"
        "with joined(meeting=60, patience=1) as world:\n"
        "    print('met', flush=True)\n"
        "    time.sleep(3 if late else 0)\n"
        "    world.barrier()\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **where, "WORLD_SIZE": "2", "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    (out, err), _ = (rank.communicate(timeout=120) for rank in ranks)
    assert out == "met\n", err
    assert "Timed out waiting 1000ms" in err


def test_every_rank_makes_the_same_number_of_passes_and_each_part_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths = [9, 5, 7, 5, 5, 8, 3]
    for size in range(1, 10):
        hands = []
        for rank in range(size):
            monkeypatch.setattr("etude.distributed.world._current", World(rank, size, rank))
            micro = cut(lengths, 16)
            hands.append(deal(micro))
        assert len({len(hand) for hand in hands}) == 1
        counted = sorted(row for hand in hands for one in hand if one.counts for row in one.rows)
        assert counted == list(range(7))
        # Nobody is left without work while rows can be told apart.
        assert sum(any(one.counts for one in hand) for hand in hands) == min(size, 7)
        if size <= len(split(lengths, 16)):
            assert micro == split(lengths, 16)


def test_a_group_is_never_cut_to_give_more_ranks_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etude.distributed.world._current", World(0, 4, 0))
    groups = ["a", "a", "b", "b", "b"]
    assert sorted(map(sorted, cut([4] * 5, 100, groups))) == [[0, 1], [2, 3, 4]]


def beside(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], Any]) -> None:
    """Make this process a rank whose only other one says ``answer`` of what this one says."""

    class Two(World):
        def gather(self, mine: Any) -> list[Any]:
            return [mine, answer(mine)]

    monkeypatch.setattr(world, "_current", Two(0, 2))


def test_a_signal_heard_while_ranks_exchange_is_obeyed_at_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = Stop()

    def other(mine: Any) -> Any:
        stop.request("SIGUSR2")  # this rank hears it while it waits for the other
        return "go", None, ""

    beside(monkeypatch, other)
    ranks.check(stop)  # the other knows of nothing and goes on
    with pytest.raises(Interrupted, match="SIGUSR2"):
        ranks.check(stop)


def test_work_apart_is_cut_short_on_all_ranks_when_one_is_asked_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = Stop()

    def hear() -> str:
        stop.request("SIGTERM")
        return "done to its end"

    beside(monkeypatch, lambda mine: (True, "theirs"))
    with pytest.raises(Interrupted), cut_short_by(stop.at_once):
        apart(hear)
    assert apart(hear) == ["done to its end", "theirs"]
    beside(monkeypatch, lambda mine: (False, Interrupted("interrupted (SIGTERM)")))
    with pytest.raises(Interrupted), cut_short_by(Stop().at_once):
        apart(lambda: "heard nothing")


def test_the_cause_is_told_before_its_echo_whatever_the_clocks_say(tmp_path: Path) -> None:
    assert first_failure(tmp_path) is None
    peer = RuntimeError("[/pytorch/third_party/gloo/pair.cc:547] Connection closed by peer")
    assert lost_another(peer) and not lost_another(RuntimeError("out of memory"))
    told = {
        "failed.rank0.json": {"at": 10.0, "echo": True, "error": "connection closed"},
        "failed.rank2.json": {"at": 13.0, "error": "out of memory"},
        "failed.rank10.json": {"at": 12.0, "error": "no such file"},
    }
    for name, content in told.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "FAILED.json").write_text(json.dumps({"error": "rank 10: no such file"}))
    assert first_failure(tmp_path) == {**told["failed.rank10.json"], "rank": 10}


def test_a_rank_that_hung_is_found_by_the_file_its_watchdog_left(tmp_path: Path) -> None:
    (tmp_path / "failed.rank1.json").write_text(json.dumps({"kind": "Hung", "error": "no step"}))
    assert first_failure(tmp_path) == {"kind": "Hung", "error": "no step", "rank": 1}
    (tmp_path / "failed.rank1.json").unlink()
    (tmp_path / "FAILED.json").write_text(json.dumps({"error": "alone"}))
    assert first_failure(tmp_path) == {"error": "alone", "rank": 0}
