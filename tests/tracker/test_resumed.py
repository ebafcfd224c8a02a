"""A run that was killed and taken up again is in W&B once, step by step."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fake_training import STAGE, STEPS
from wandb_server import Server, serving

from etude.tracker import wandb_files
from wandb_files import history

pytestmark = pytest.mark.slow

#: What one process does: an attempt from a checkpoint, which is killed or ends.
PROGRAM = """
    import os, signal, sys, time
    sys.path.insert(0, {here!r})
    from pathlib import Path
    import fake_training
    from etude.tracker.wandb import Wandb
    graph = fake_training.a_run(Path({outputs!r}))
    observer = Wandb(mode={mode!r}).observer({{"name": "quick"}}, print)
    observer.run_started(graph)
    attempt = fake_training.Attempt([observer], graph, {number}, {first})
    attempt.steps({end})
    if {killed}:
        time.sleep({killed})
        os.kill(os.getpid(), signal.SIGKILL)
    if {failed}:
        observer.stage_failed(attempt.node, step={end}, error=RuntimeError("out of memory"))
        sys.exit()
    observer.stage_finished(attempt.node, seconds=1.0, folder=str(attempt.folder.parent.parent))
    observer.run_finished(graph)
"""


def attempt(
    outputs: Path,
    number: int,
    first: int,
    end: int,
    url: str,
    *,
    online: bool,
    killed: float = 0.0,
    failed: bool = False,
) -> None:
    program = PROGRAM.format(
        here=str(Path(__file__).parent),
        outputs=str(outputs),
        mode="online" if online else "offline",
        number=number,
        first=first,
        end=end,
        killed=killed,
        failed=failed,
    )
    done = run([sys.executable, "-c", textwrap.dedent(program)], outputs, url)
    assert done.returncode == (-9 if killed else 0), done.stderr
    assert "files" not in done.stdout, done.stdout


def run(command: list[str], outputs: Path, url: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "HOME": str(outputs.parent),
        "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
        "WANDB_BASE_URL": url,
        "no_proxy": "*",
    }
    return subprocess.run(
        command,
        env=environment,
        cwd=outputs.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def sync(outputs: Path, server: Server) -> None:
    """Send offline files as a person does."""
    paths = sorted(map(str, (outputs / "wandb").glob("offline-run-*")))
    wandb = str(Path(sys.executable).with_name("wandb"))
    done = run([wandb, "sync", *paths], outputs, server.url)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_whole(server: Server) -> None:
    """Every step is there once, at its place, and so is every evaluation."""
    rows = server.rows(STAGE)
    trained = [row for row in rows if "loss" in row]
    assert [(row["step"], row["loss"]) for row in trained] == [(n, float(n)) for n in range(STEPS)]
    assert all(row["timing/seconds"] == 0.25 for row in trained)
    found = [(row["step"], row["evaluation/pass@1"]) for row in rows if "evaluation/pass@1" in row]
    assert found == [(5, 0.5), (10, 1.0)]


def test_a_file_without_content_keeps_none_of_the_others_from_being_sent(tmp_path: Path) -> None:
    paths = []
    for name, content in (("1-a", b":W&B\0\0\0"), ("2-b", b":W&B\0\0\0"), ("3-b", b"more" * 9)):
        paths.append(tmp_path / "wandb" / f"offline-run-{name}" / f"run-{name[-1]}.wandb")
        paths[-1].parent.mkdir(parents=True)
        paths[-1].write_bytes(content)
    one, other, full = paths
    assert wandb_files.empty_ones(tmp_path, wandb_files.offline_files(tmp_path, "b")) == [other]
    os.utime(one, (1.0, 1.0))  # nobody writes there any more
    assert wandb_files.empty_ones(tmp_path, []) == [one]
    wandb_files.mark_sent([other])
    assert not full.with_name("run-b.wandb.synced").exists()
    assert other.with_name("run-b.wandb.synced").exists()


def test_offline_files_of_a_killed_and_resumed_run_send_every_step_once(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    with serving() as server:
        attempt(outputs, 1, 0, 8, server.url, online=False, killed=wandb_files.FLUSH_SECONDS + 0.5)
        attempt(outputs, 2, 5, STEPS, server.url, online=False)
        assert server.asked == []
        first, second = sorted((outputs / "wandb").glob("offline-run-*/*.wandb"))
        # The newest file is whole by itself, and the older one counts as sent.
        steps = [row["step"] for row in history(second) if "loss" in row]
        assert steps == list(range(STEPS))
        assert first.with_name(f"{first.name}.synced").exists()
        first.with_name(f"{first.name}.synced").unlink()
        # Sent in spite of that, the newest still comes last and is what stays.
        sync(outputs, server)
        assert len(server.wrote) > 1  # of both files
        assert_whole(server)


@pytest.mark.long
@pytest.mark.parametrize("first_online", [True, False])
def test_a_run_online_that_is_taken_up_again_has_every_step_once(
    tmp_path: Path, first_online: bool
) -> None:
    outputs = tmp_path / "outputs"
    with serving() as server:
        # The server has steps that are done again, or it has nothing.
        attempt(outputs, 1, 0, 8, server.url, online=first_online, failed=True)
        if first_online:
            assert max(row["step"] for row in server.rows(STAGE)) == 7
        attempt(outputs, 2, 5, STEPS, server.url, online=True)
        assert "RunResumeStatus" in server.asked
        assert (server.wrote[-1][1] > 0) == first_online  # it goes on where the server is
        assert_whole(server)
        # What lies in files from before takes nothing away.
        sync(outputs, server)
        assert_whole(server)
