"""What a SLURM job runs, in every rank: the unit, and then what SLURM has to do with the job."""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path

from etude.cli.frame import let_threads_sleep, show_warnings, tell
from etude.errors import UNWRITTEN_EXIT, EtudeError, Fenced, MeetingError, StorageError
from etude.execute import atomic
from etude.execute.owner import Owner
from etude.execute.stop import Stop
from etude.launch import registry, written
from etude.launch.job import Ended, work
from etude.launch.slurm import requeue
from etude.launch.slurm.ended import left_to_say
from etude.launch.slurm.rest import submit_the_rest
from etude.unexpected import sentence


def run(folder: str, fingerprint: str) -> None:
    """Do a unit of the run in ``folder`` as a rank of this job, and exit with its code.

    submitit calls this in every task; it takes paths only, so what runs is what was written down.
    """
    import submitit

    task = submitit.JobEnvironment()
    # submitit reports every one of them, and SLURM sends many.
    signal.signal(signal.SIGCONT, signal.SIG_DFL)
    owner = Owner.here()
    place = Path(folder)
    let_threads_sleep()
    show_warnings()
    stop = Stop()
    with stop.listening():
        try:
            _write_to(_log(place, fingerprint, owner), task.global_rank)
            if task.num_tasks > 1:
                # Every rank sees all GPUs of its node and takes the one of its local number.
                from submitit.helpers import TorchDistributedEnvironment

                TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
            code = _work(place, fingerprint, owner, stop)
        except StorageError as error:
            _say(error)
            code = UNWRITTEN_EXIT
        except Exception as error:  # the last guard: no job ends without a word
            _say(error)
            code = 1
    from etude.distributed.world import end

    end(code)


def _log(folder: Path, fingerprint: str, owner: Owner) -> Path:
    plain = written.read_plain(folder)
    node = plain["stages"].get(fingerprint) or plain["evaluations"][fingerprint]
    return registry.log_folder(folder, node["name"], fingerprint, owner.job or "", owner.restart)


def _write_to(place: Path, rank: int) -> None:
    """Have this rank print to a file of its own, in the folder of this attempt of the job."""
    path = place / f"rank{rank}.log"
    with atomic.storing(path):
        place.mkdir(parents=True, exist_ok=True)
        print(f"log: {path}", flush=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _work(folder: Path, fingerprint: str, owner: Owner, stop: Stop) -> int:
    """Return the exit code of this rank; the first one speaks with SLURM."""
    from etude.distributed.world import announced, joined

    title = f"{folder.name} · {owner} · {fingerprint}"
    try:
        with joined():
            ended = work(folder, fingerprint, stop=stop, title=title)
    except (Fenced, MeetingError) as error:
        _say(error)
        return error.exit_code
    except Exception as error:
        _say(error)
        ended = Ended("failed", _told(error))
    if announced().rank:
        # Where this rank failed, its code ends the others, which may wait for it in vain.
        return ended.code if ended.state == "failed" else 0
    return _conclude(folder, fingerprint, owner, ended)


def _say(error: Exception) -> None:
    """Print an error; of one that nobody foresaw its traceback too. The disk may be full."""
    if not isinstance(error, EtudeError):
        tell("".join(traceback.format_exception(error)), error=True, end="")
    tell(_told(error), error=True)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, EtudeError) else sentence(error)


def _conclude(folder: Path, fingerprint: str, owner: Owner, ended: Ended) -> int:
    """Put the job back into the queue where it was interrupted, else write how it ended."""
    if ended.state == "interrupted":
        again = requeue.after_a_signal(folder, fingerprint, owner, ended)
        if again is None:
            return requeue.REQUEUED
        ended = again
    if ended.state == "failed" and left_to_say(folder, fingerprint, owner):
        return ended.code
    about = {
        "state": ended.state,
        "why": ended.why,
        "step": ended.step,
        "code": ended.code,
        "job": owner.job,
        "restart": owner.restart,
        "host": owner.host,
    }
    registry.write_ended(folder, fingerprint, about)
    submit_the_rest(folder, Path(written.read_plain(folder)["outputs"]), owner)
    return ended.code
