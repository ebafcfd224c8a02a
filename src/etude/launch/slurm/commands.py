"""SLURM's own commands, each asked once with a time-out: squeue, sacct, scontrol, scancel."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etude.errors import SlurmError

#: Seconds that a command may take; a controller that restarts answers within them or not at all.
SECONDS = 30.0

#: Jobs that one command line names.
CHUNK = 500

# Settings of a person for their own use of these commands would change what is printed here.
_PERSONAL = ("SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_")
_RANGE = re.compile(r"(\d+)_\[([\d,\-]+)(?:%\d+)?\]")
_SBATCH = r"^sbatch: (error: )?(Batch job submission failed: )?"
_AT_WORK = re.compile("idle|alloc|mix|comp|plan|power", re.I)
_CLOCK = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_FIELD = re.compile(r"(\S+?)=(.*?)(?=\s+[\w/:.]+=|\s*$)")


@dataclass(frozen=True)
class Queued:
    """A job in the queue: ``state`` as SLURM names it (PENDING, RUNNING, COMPLETING, …).

    ``reason`` tells why it waits, ``elapsed`` and ``left`` are seconds (``left`` None: no limit),
    ``nodes`` is empty and ``start`` is N/A or an estimate while it waits.
    """

    state: str
    reason: str = ""
    elapsed: int = 0
    left: int | None = None
    nodes: str = ""
    start: str = ""


@dataclass(frozen=True)
class Accounted:
    """A job in the accounting: ``state`` is one word (``CANCELLED by 0`` is CANCELLED).

    ``exit_code`` is SLURM's (``1:0``: exit code, signal), ``elapsed`` are seconds.
    """

    state: str
    exit_code: str = "0:0"
    node: str = ""
    elapsed: int = 0


def ask(*words: str, seconds: float = SECONDS) -> str:
    """Run a command and return what it printed.

    Raises SlurmError when it cannot be run, fails or does not answer in time.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_PERSONAL)}
    # Times in one form, and ranges of array tasks written out however long they are.
    environment |= {"SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}
    shown = shlex.join(words)
    shown = shown if len(shown) <= 120 else shown[:119] + "…"
    try:
        found = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=environment,
            check=False,
        )
    except FileNotFoundError as error:
        raise SlurmError(
            f"there is no {words[0]} on PATH; run this where SLURM's commands are"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"`{shown}` did not answer within {seconds:g} seconds") from error
    except OSError as error:
        raise SlurmError(f"`{shown}` cannot be run: {error.strerror or error}") from error
    if found.returncode != 0:
        said = " ".join((found.stderr or found.stdout).split()) or "nothing"
        raise SlurmError(f"`{shown}` failed (exit code {found.returncode}); it said: {said}")
    return found.stdout


def queue(user: str | int | None = None) -> dict[str, Queued]:
    """Return the jobs of a user (None: one's own) in the queue by id; array tasks as ``812_3``.

    Raises SlurmError.
    """
    owner = str(os.getuid() if user is None else user)
    printed = ask("squeue", "-h", "-r", "-u", owner, "-o", "%i|%T|%M|%L|%S|%N|%r")
    found = {}
    for line in printed.splitlines():
        parts = line.split("|", 6)
        if len(parts) == 7:
            job, state, elapsed, left, start, nodes, reason = (part.strip() for part in parts)
            found[job] = Queued(
                state, reason, seconds_of(elapsed) or 0, seconds_of(left), nodes, start
            )
    return found


def accounting(ids: Iterable[str], seconds: float = SECONDS) -> dict[str, Accounted]:
    """Return what the accounting knows of jobs, by id; those it does not know are left out.

    Of a job that was requeued it is the last start. Raises SlurmError where there is no accounting
    or it does not answer within ``seconds``.
    """
    wanted = set(ids)
    bases = sorted({each.partition("_")[0] for each in wanted})
    found: dict[str, Accounted] = {}
    for chunk in _chunks(bases):
        # fmt: off
        printed = ask(
            "sacct", "-n", "-P", "-X", "-a", "-j", ",".join(chunk),
            "-o", "JobID,State,ExitCode,NodeList,ElapsedRaw", seconds=seconds,
        )
        # fmt: on
        for line in printed.splitlines():
            parts = line.split("|")
            if len(parts) != 5:
                continue
            job, state, code, node, elapsed = parts
            about = Accounted(
                (state.split() or ["UNKNOWN"])[0],
                code,
                "" if node == "None assigned" else node,
                int(elapsed) if elapsed.isdecimal() else 0,
            )
            found.update((each, about) for each in expanded(job) if each in wanted)
    return found


def expanded(job: str) -> Iterator[str]:
    """Yield the ids that one stands for: ``812_[4-5,9%2]`` for ``812_4``, ``812_5``, ``812_9``."""
    found = _RANGE.fullmatch(job)
    if found is None:
        yield job
        return
    base, tasks = found.groups()
    for part in tasks.split(","):
        first, _, last = part.partition("-")
        for task in range(int(first), int(last or first) + 1):
            yield f"{base}_{task}"


def collapsed(ids: Iterable[str]) -> list[str]:
    """Return ids with the tasks of an array as one: ``812_[0-3,7]``; the opposite of expanded."""
    plain: list[str] = []
    tasks: dict[str, set[int]] = {}
    for each in dict.fromkeys(ids):
        base, _, task = each.partition("_")
        if task.isdecimal():
            tasks.setdefault(base, set()).add(int(task))
        else:
            plain.append(each)
    for base, own in tasks.items():
        ranges = _ranges(sorted(own))
        plain.append(f"{base}_{ranges}" if len(own) == 1 else f"{base}_[{ranges}]")
    return plain


def _ranges(numbers: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def show(job: str) -> dict[str, str]:
    """Return what the controller says of a job, by its names (JobState, Reason, StdOut, …).

    Raises SlurmError also for a job that the controller has forgotten.
    """
    printed = ask("scontrol", "show", "job", "-o", job)
    return dict(_FIELD.findall((printed.splitlines() or [""])[0]))


def settings() -> dict[str, str]:
    """Return the cluster's configuration by name, such as MaxArraySize. Raises SlurmError."""
    found = {}
    for line in ask("scontrol", "show", "config").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def requeue(job: str) -> None:
    """Put a job back into the queue, under its id. Raises SlurmError where a site forbids it."""
    ask("scontrol", "requeue", job)


def cancel(ids: Iterable[str]) -> None:
    """Cancel jobs; those that have ended are passed over. Raises SlurmError."""
    for chunk in _chunks(collapsed(ids)):
        ask("scancel", "-Q", *chunk)


def plain(said: str) -> str:
    """Return what sbatch said in one line, without its own name before each part."""
    parts = [re.sub(_SBATCH, "", line).strip() for line in said.splitlines()]
    return "; ".join(dict.fromkeys(part for part in parts if part))


def away(partition: str | None) -> list[str]:
    """Return the nodes of a partition (None: of all) that take no jobs now. Raises SlurmError."""
    where = ("-p", partition) if partition else ()
    rows = (line.split("|") for line in ask("sinfo", "-h", "-N", "-o", "%N|%T", *where).split())
    return list(dict.fromkeys(node for node, state in rows if not _AT_WORK.match(state)))


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def seconds_of(text: str) -> int | None:
    """Return the seconds of ``1-02:03:04`` or ``3:04``; None for UNLIMITED and what is no time."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
