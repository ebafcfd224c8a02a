"""One process at a time works on a stage, and one that was taken for dead does no harm."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_stage import FENCED, chain, config
from warm_process import Zygote, result

from etude.errors import Fenced
from etude.execute import atomic, checkpoint, generations
from etude.execute.attempt import Attempt
from etude.execute.lock import holder, is_held, locked
from etude.execute.owner import Owner, slurm_job
from etude.plan import layout

ELSEWHERE = Owner(host="n014", pid=4711, boot="another boot", since="then")


class Waits(Exception):
    """Somebody waits, and would go on waiting."""


def gives_up(after: float = 0.0) -> Callable[[], None]:
    end = time.monotonic() + after

    def check() -> None:
        if time.monotonic() >= end:
            raise Waits

    return check


def quiet(holder: str) -> None:
    pass


def held_by(outputs: Path, owner: Owner, generation: int = 1, name: str = "f") -> Path:
    """Write a lease as ``owner`` would have; return its file."""
    folder = outputs / ".locks" / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{generation}.json"
    path.write_text(json.dumps(owner.to_json()))
    return path


def dead() -> Owner:
    """Return a process of this machine that has ended."""
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    return dataclasses.replace(Owner.here(), pid=process)


def test_a_lease_is_held_then_free_and_files_do_not_pile_up(tmp_path: Path) -> None:
    for _ in range(5):
        assert not is_held(tmp_path, "f")
        with locked(tmp_path, "f", waiting=pytest.fail) as lease:
            lease.check()
            found = holder(tmp_path, "f")
            assert found is not None and found.pid == os.getpid() and not lease.took_over
            with (
                pytest.raises(Waits),
                locked(tmp_path, "f", waiting=quiet, check=gives_up()),
            ):
                pytest.fail("two own it")
    assert sorted(path.name for path in (tmp_path / ".locks/f").iterdir()) == ["4.json", "5.json"]


def _race(outputs: Path, barrier: Any, rounds: int, answers: Any) -> None:
    won = []
    for number in range(rounds):
        barrier.wait(20)
        try:
            with locked(outputs, f"f{number}", waiting=quiet, check=gives_up()):
                won.append(number)
                barrier.wait(20)
        except Waits:
            barrier.wait(20)
    answers.put(won)


def test_of_two_processes_that_race_exactly_one_owns(tmp_path: Path) -> None:
    rounds, gone = 200, dead()
    for number in range(0, rounds, 2):
        held_by(tmp_path, gone, name=f"f{number}")
    fork = multiprocessing.get_context("fork")
    barrier, answers = fork.Barrier(2), fork.Queue()
    racers = [
        fork.Process(target=_race, args=(tmp_path, barrier, rounds, answers)) for _ in range(2)
    ]
    for racer in racers:
        racer.start()
    won = sorted(answers.get(timeout=30) + answers.get(timeout=30))
    for racer in racers:
        racer.join(10)
    assert won == list(range(rounds))


def test_who_was_asleep_while_others_went_on_does_not_take_a_number_they_cleared(
    tmp_path: Path,
) -> None:
    held_by(tmp_path, ELSEWHERE, 6)
    held_by(tmp_path, ELSEWHERE, 7)
    folder = tmp_path / ".locks/f"
    assert not generations.claim(folder, 5, Owner.here())
    assert sorted(path.name for path in folder.iterdir()) == ["6.json", "7.json"]


HOLDS = """
import sys, time
from pathlib import Path
from etude.execute.lock import locked
with locked(Path(sys.argv[1]), "f", waiting=print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_after_kill_9_the_next_one_owns_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    assert str(holder(tmp_path, "f")) == f"process {process.pid} on {os.uname().nodename}"
    with pytest.raises(Waits), locked(tmp_path, "f", waiting=quiet, check=gives_up(0.3)):
        pytest.fail("two own it")
    process.kill()
    # Not waited for: a dead process that its parent has not buried owns nothing either.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_held(tmp_path, "f")
    with locked(tmp_path, "f", waiting=pytest.fail) as lease:
        assert lease.took_over.endswith("that process is gone")
    process.communicate()


def test_a_number_given_to_another_process_is_not_taken_for_the_owner(tmp_path: Path) -> None:
    me = Owner.here()
    held_by(tmp_path, dataclasses.replace(me, started=me.started - 1))
    assert not is_held(tmp_path, "f")


def test_an_owner_elsewhere_is_trusted_until_its_heart_stops(tmp_path: Path) -> None:
    path = held_by(tmp_path, ELSEWHERE)
    told: list[str] = []
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.1):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    with (
        pytest.raises(Waits),
        locked(tmp_path, "f", waiting=told.append, check=gives_up(1.0), lease_seconds=0.5),
    ):
        pytest.fail("two own it")
    stop.set()
    thread.join()
    assert is_held(tmp_path, "f") and told == ["process 4711 on n014"]
    began = time.monotonic()
    with locked(tmp_path, "f", waiting=quiet, lease_seconds=0.5) as lease:
        assert 0.5 < time.monotonic() - began < 5
        assert "no sign of life" in lease.took_over


def test_one_look_sees_that_an_owner_elsewhere_has_been_silent_for_long(tmp_path: Path) -> None:
    path = held_by(tmp_path, ELSEWHERE)
    assert is_held(tmp_path, "f")
    os.utime(path, (time.time() - 3600,) * 2)
    assert not is_held(tmp_path, "f")


@pytest.mark.parametrize(("said", "free"), [("gone", True), ("running", False), ("unknown", False)])
def test_slurm_is_asked_about_the_job_of_an_owner(tmp_path: Path, said: Any, free: bool) -> None:
    held_by(tmp_path, dataclasses.replace(ELSEWHERE, job="123_4", restart=1))
    asked: list[str] = []

    def job_state(job: str) -> Any:
        asked.append(job)
        return said

    assert is_held(tmp_path, "f", job_state) is not free
    try:
        with locked(
            tmp_path, "f", waiting=quiet, check=gives_up(0.4), job_state=job_state
        ) as lease:
            assert free and "SLURM says the job is over" in lease.took_over
    except Waits:
        assert not free
    # Once by each, however often the one that waits looks.
    assert asked == ["123_4", "123_4"]


@pytest.mark.parametrize(("restart", "free"), [("2", True), ("1", False), ("", False)])
def test_a_later_start_of_the_same_job_owns_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restart: str, free: bool
) -> None:
    held_by(tmp_path, dataclasses.replace(ELSEWHERE, job="123_4", restart=1))
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "123")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    monkeypatch.setenv("SLURM_JOB_ID", "127")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restart)
    try:
        with locked(tmp_path, "f", waiting=quiet, check=gives_up()) as lease:
            assert free and "SLURM started the job again" in lease.took_over
    except Waits:
        assert not free
        assert str(holder(tmp_path, "f")) == "job 123_4 (attempt 2) on n014"


def test_the_job_of_a_process() -> None:
    assert slurm_job({}) is None
    assert slurm_job({"SLURM_JOB_ID": "12"}) == "12"
    array = {"SLURM_JOB_ID": "14", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0"}
    assert slurm_job(array) == "12_0"


def test_a_lease_that_was_taken_over_fences_and_is_not_given_back(tmp_path: Path) -> None:
    with locked(tmp_path, "f", waiting=pytest.fail, lease_seconds=0.2) as lease:
        path = held_by(tmp_path, dataclasses.replace(ELSEWHERE, job="12", restart=1), 2)
        with pytest.raises(Fenced, match=r"took over this stage: job 12 \(attempt 2\) on n014"):
            lease.check()
    assert json.loads(path.read_text()).get("released") is None
    assert is_held(tmp_path, "f")


def test_the_heart_notices_a_take_over_and_survives_a_broken_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(tmp_path, "f", waiting=pytest.fail, lease_seconds=0.1) as lease:
        with monkeypatch.context() as broken:
            broken.setattr(os, "utime", fails(errno.ESTALE))
            time.sleep(0.1)
        path = tmp_path / ".locks/f/1.json"
        before = path.stat().st_mtime_ns
        time.sleep(0.1)
        assert path.stat().st_mtime_ns > before and not lease.lost
        held_by(tmp_path, ELSEWHERE, 2)
        time.sleep(0.2)
        assert lease.lost


def fails(number: int) -> Callable[..., None]:
    def call(*args: Any, **named: Any) -> None:
        raise OSError(number, os.strerror(number))

    return call


def test_on_a_full_disk_a_lease_is_still_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(tmp_path, "f", waiting=pytest.fail):
        monkeypatch.setattr(generations, "write", fails(errno.ENOSPC))
    monkeypatch.undo()
    assert not is_held(tmp_path, "f")
    with locked(tmp_path, "f", waiting=pytest.fail):
        pass


def test_where_there_are_no_hard_links_one_still_owns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", fails(errno.EPERM))
    with locked(tmp_path, "f", waiting=pytest.fail) as lease:
        lease.check()
        with pytest.raises(Waits), locked(tmp_path, "f", waiting=quiet, check=gives_up()):
            pytest.fail("two own it")


def test_nothing_is_removed_or_replaced_by_one_that_was_fenced_off(tmp_path: Path) -> None:
    def check() -> None:
        raise Fenced("another attempt took over")

    for step in (3, 6, 9):
        checkpoint.write(tmp_path / "attempts/1", step, {})
    (tmp_path / ".stage.json.7.tmp").write_text("a later attempt writes this")
    (tmp_path / ".export-2/model").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Fenced):
        checkpoint.sweep(tmp_path, check)
    with pytest.raises(Fenced):
        checkpoint.prune(tmp_path, keep=1, up_to=9, check=check)
    with pytest.raises(Fenced):
        atomic.publish_folder(tmp_path / ".export-2/model", tmp_path / "model", check)
    with pytest.raises(Fenced):
        atomic.write_json(tmp_path / "model/config.json", {"other": 1}, check)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "model/config.json").read_text() == "{}"


def test_a_checkpoint_that_took_long_to_write_is_not_named_after_a_take_over(
    tmp_path: Path,
) -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Fenced("another attempt took over")

    with pytest.raises(Fenced):
        checkpoint.write(tmp_path, 3, {}, check=check)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_two_attempts_that_see_the_same_folder_get_one_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = chain(tmp_path, ("sft", config("sft", 2))).stages["fsft1"]
    monkeypatch.setattr(layout, "attempts", lambda folder: [])
    attempts = [Attempt(tmp_path, node, None) for _ in range(2)]
    for attempt in attempts:
        attempt.close()
    assert [attempt.folder.name for attempt in attempts] == ["1", "2"]


@pytest.fixture(scope="module")
def start() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def whole(start: Zygote, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    outputs = tmp_path_factory.mktemp("whole")
    assert start(outputs) == 0
    return result(outputs)


def until_stopped(process: int) -> None:
    end = time.monotonic() + 20
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < end
        time.sleep(0.01)


def files(outputs: Path, apart_from: Path) -> dict[Path, tuple[int, int]]:
    """Return every file of stages and evaluations but one attempt's, by inode and time."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for kind in ("stages", "evaluations")
        for path in (outputs / kind).rglob("*")
        if path.is_file() and not path.is_relative_to(apart_from)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "stop_at", ["step:sft:7", "checkpoint:3", "evaluate:sft", "export:sft", "done:sft", "measure"]
)
def test_an_attempt_that_goes_on_after_its_job_was_requeued_changes_nothing(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path, stop_at: str
) -> None:
    def job(restart: int) -> dict[str, str]:
        return {"SLURM_JOB_ID": "12", "SLURM_RESTART_COUNT": str(restart)}

    old = start(
        tmp_path,
        kill_at=stop_at,
        signal=int(signal.SIGSTOP),
        background=True,
        environment=job(0),
    )
    until_stopped(old)
    assert start(tmp_path, environment=job(1)) == 0
    assert result(tmp_path) == whole
    first = tmp_path / "stages/sft-fsft1/attempts/1"
    after = files(tmp_path, first)
    os.kill(old, signal.SIGCONT)
    assert start.wait(old) == FENCED
    assert files(tmp_path, first) == after
    assert not list(tmp_path.rglob(".*.tmp")) and not list(tmp_path.rglob(".export-*"))
    assert not list(tmp_path.rglob("FAILED.json"))
    if stop_at == "measure":
        return
    log = (first / "log").read_text()
    assert "another attempt took over this stage: job 12 (attempt 2)" in log
    assert "SLURM started the job again" in (first.parent / "2/log").read_text()
    if stop_at == "step:sft:7":
        # What it still did is on record, in its own folder.
        assert json.loads((first / "metrics.jsonl").read_text().splitlines()[-1])["step"] >= 7
