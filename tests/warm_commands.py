"""The real commands as processes of their own, most of them forked from one that is warm.

Importing torch and transformers takes most of the time of a very small run, so one process imports
them and forks for every command. The fork gets its own folder, environment, standard streams and
process group, and calls the command's ``main`` as the installed script does.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.verifier.worker import die_with

#: In the environment of a command and of every process it starts.
MARK = "ETUDE_TEST_RUN"

#: A whole run with this model and these sizes takes about a second of processor time.
SMALL = (
    "model=scratch",
    "model.hidden_size=32",
    "model.layers=1",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=64",
    "training.rows_per_step=8",
    "training.prompts_per_step=4",
    "training.rollouts_per_prompt=2",
    "rollout.max_new_tokens=16",
    "evaluation.problems=6",
    "evaluation.samples=2",
    "evaluation.bootstrap=20",
    "execution.threads=1",
    "execution.minimum_free_gib=0",
    "execution.report=false",
    "tracker=none",
    "sources.arithmetic.train_size=500",
    "sources.arithmetic.test_size=100",
)


def small(*without: str) -> list[str]:
    """Return the overrides of SMALL except those whose key begins like one of ``without``."""
    return [word for word in SMALL if not word.startswith(without)]


#: What a pipeline without arithmetic does not read.
PROBLEMS = "sources."

#: What a pipeline without a policy-gradient stage does not read.
ROLLOUTS = ("training.prompts", "training.rollouts")

#: What a pipeline of policy-gradient stages alone does not read.
ROWS = "training.rows"

_WARM = (
    "datasets",
    "etude.config.hydra_private",
    "etude.config.prepare",
    "etude.evaluation.pass_at_k",
    "etude.execute.local",
    "etude.learner.generate",
    "etude.learner.policy_gradient",
    "etude.learner.policy_update",
    "etude.learner.supervised",
    "etude.model.scratch",
    "etude.plan.graph",
    "etude.rollout.slots",
    "etude.view",
    "peft",
    "torch.distributed.tensor",
    "transformers.models.llama.modeling_llama",
    "transformers.models.auto.modeling_auto",
    "transformers.integrations.hub_kernels",
)


#: What is planned before the first command. Presets and code that are read once are not read again
#: in a fork; what a command itself composes is composed by it.
_PLANNED: tuple[list[str], ...] = (["recipe=quickstart"], ["recipe=rl"], ["recipe=sft"])


@dataclass(frozen=True)
class Moment:
    """A point in a command: before (or after) the n-th call of a function, named by its path."""

    path: str
    call: int = 1
    after: bool = False


@dataclass
class Ended:
    """A command that has ended: its exit code (negative: the signal it died of), what it said."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """Return everything it wrote, for a failed assertion to show."""
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Started:
    """A command that runs."""

    def __init__(self, pid: int, mark: str, folder: Path, wait: Callable[[], int]) -> None:
        self.pid = pid
        self.mark = mark
        self._folder = folder
        self._wait = wait
        self._began = time.perf_counter()
        self._ended: Ended | None = None

    def reach(self) -> None:
        """Wait until the command has stopped at its moment."""
        while (state := state_of(self.pid)) not in ("T", "Z", ""):
            time.sleep(0.002)
        assert state == "T", f"it ended before its moment:\n{self.end().said}"

    def wait_a_little(self) -> bool:
        """Wait a moment; return whether the command has ended meanwhile."""
        time.sleep(0.01)
        return state_of(self.pid) in ("Z", "")

    def send(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the command (its group: as Ctrl-C does), and let it go on."""
        (os.killpg if group else os.kill)(self.pid, number)
        if number != signal.SIGKILL:
            os.kill(self.pid, signal.SIGCONT)

    def end(self) -> Ended:
        """Wait for the command's end."""
        if self._ended is None:
            code = self._wait()
            out, err = ((self._folder / name).read_text() for name in ("out", "err"))
            self._ended = Ended(code, out, err, time.perf_counter() - self._began)
        return self._ended

    @property
    def out(self) -> str:
        """Return what it has written so far, also before its process has begun."""
        out = self._folder / "out"
        return out.read_text() if out.exists() else ""

    @property
    def has_ended(self) -> bool:
        """Tell whether its end was waited for."""
        return self._ended is not None

    def kill(self) -> Ended:
        """Kill the command where it is."""
        self.send(signal.SIGKILL)
        ended = self.end()
        assert ended.code == -signal.SIGKILL, ended.said
        return ended


def state_of(pid: int) -> str:
    """Return the state letter of a process: R, S, T (stopped), Z (ended), …; empty: none there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(mark: str) -> list[str]:
    """Return the command lines of processes that carry a mark in their environment."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal() or int(place.name) == os.getpid():
            continue
        try:
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                words = (place / "cmdline").read_bytes().split(b"\0")
                found.append(f"{place.name}: {b' '.join(words).decode()}".strip())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def left_over(mark: str, *, within: float = 5.0) -> list[str]:
    """Return the processes of a command that still live some seconds after its end."""
    limit = time.monotonic() + within
    while (found := alive(mark)) and time.monotonic() < limit:
        time.sleep(0.02)
    return found


@dataclass
class Place:
    """Where commands are typed: a folder, an environment, and how processes are started."""

    folder: Path
    warm: Warm
    environment: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def start(
        self, command: str, *words: str, at: Moment | None = None, cold: bool = False, **env: str
    ) -> Started:
        """Start a command; ``cold`` takes the installed script instead of a fork."""
        self.count += 1
        mark = f"{self.folder}-{self.count}"
        streams = self.folder / f".streams-{self.count}"
        streams.mkdir(parents=True)
        changed = {"ETUDE_TRACEBACK": "", **self.environment, **env, MARK: mark}
        if cold:
            assert at is None
            return _script(command, words, self.folder, changed, streams)
        return self.warm.start(command, words, self.folder, changed, streams, at)

    def run(self, command: str, *words: str, cold: bool = False, **env: str) -> Ended:
        """Run a command to its end."""
        return self.start(command, *words, cold=cold, **env).end()

    def train(self, *words: str, **more: Any) -> Ended:
        """Run ``train``."""
        return self.run("train", *words, **more)

    def with_files(self, *files: Path) -> Place:
        """Copy files into the folder, as a person's own lie there."""
        for file in files:
            shutil.copy(file, self.folder)
        return self

    def train_through_kills(self, moments: Iterable[Moment], *words: str) -> None:
        """Kill ``train`` at each moment, one start a moment, then run it to its end.

        Nothing may be left running after a kill, and the last start has to end well.
        """
        for moment in moments:
            started = self.start("train", *words, at=moment)
            started.reach()
            started.kill()
            assert not left_over(started.mark), moment
        ended = self.train(*words)
        assert ended.code == 0, ended.said

    def stage(self, name: str = "rl") -> Path:
        """Return the folder of the one stage of that name."""
        (found,) = (self.folder / "outputs/stages").glob(f"{name}-*")
        return found

    def kept(self, *files: str, stage: str = "rl") -> dict[str, bytes]:
        """Return what a stage has left in its model and in these files, by name."""
        folder = self.stage(stage)
        return {name: (folder / name).read_bytes() for name in (*files, "model/model.safetensors")}


def _script(
    command: str, words: Sequence[str], cwd: Path, changed: Mapping[str, str], streams: Path
) -> Started:
    script = Path(sys.executable).with_name(command)
    with (streams / "out").open("w") as out, (streams / "err").open("w") as err:
        process = subprocess.Popen(
            [str(script), *words],
            cwd=cwd,
            env={**os.environ, **changed},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            process_group=0,
        )
    return Started(process.pid, changed[MARK], streams, process.wait)


class Warm:
    """The warm process, and the wire to it: one JSON line a command, a line back for its pid and
    one for its exit code."""

    def __init__(self, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The commands set the first before torch.
            env={**os.environ, "GOMP_SPINCOUNT": "1000", **environment},
        )
        self._last: Started | None = None

    def start(
        self,
        command: str,
        words: Sequence[str],
        cwd: Path,
        changed: Mapping[str, str],
        streams: Path,
        at: Moment | None,
    ) -> Started:
        """Fork a command; one that a failed test left running is killed first."""
        self._end_last()
        asked = {
            "command": command,
            "words": list(words),
            "cwd": str(cwd),
            "environment": dict(changed),
            "streams": str(streams),
            "moment": None if at is None else [at.path, at.call, at.after],
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        self._last = Started(self._answer(), changed[MARK], streams, self._answer)
        return self._last

    def _end_last(self) -> None:
        if self._last is not None and not self._last.has_ended:
            os.kill(self._last.pid, signal.SIGKILL)
            self._last.end()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the warm process."""
        self._end_last()
        self._process.communicate(timeout=60)


def _stop_at(path: str, call: int, after: bool) -> None:
    """Have this process stop itself (as Ctrl-Z does) at a moment."""
    module, _, attributes = path.partition(":")
    *classes, name = attributes.split(".")
    owner = importlib.import_module(module)
    for each in classes:
        owner = getattr(owner, each)
    original, calls = getattr(owner, name), [0]

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        # What was sent meanwhile is heard by a thread; on a busy machine a step may end before it.
        time.sleep(0.01)
        while signal.sigpending():
            time.sleep(0.01)
        time.sleep(0.1)

    def stopping(*args: Any, **named: Any) -> Any:
        calls[0] += 1
        here = calls[0] == call
        if here and not after:
            stop()
        result = original(*args, **named)
        if here and after:
            stop()
        return result

    setattr(owner, name, stopping)


def _child(asked: dict[str, Any], parent: int) -> int:
    die_with(parent)
    os.setpgid(0, 0)
    streams = Path(asked["streams"])
    for descriptor, name in ((1, "out"), (2, "err")):
        opened = os.open(streams / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb"), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb"), encoding="utf-8", line_buffering=True)
    os.chdir(asked["cwd"])
    os.environ.update(asked["environment"])
    if asked["moment"]:
        _stop_at(*asked["moment"])
    command = asked["command"]
    own = command not in ("train", "evaluate", "etude")  # a module of tests/ that types them
    main = importlib.import_module(command if own else f"etude.cli.{command}").main
    sys.argv = [asked["command"], *asked["words"]]
    return int(main())


def _get_ready() -> None:
    """Do once what every command does: import components, read presets and code, and the table of
    transformers that says how weights are named in files (a thousand regular expressions)."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    from etude.config.prepare import prepare
    from etude.plan.graph import build_graph
    from etude.schema import built_in

    for group in built_in().components.values():
        for info in group.values():
            importlib.import_module(info.cls.partition(":")[0])
    for words in _PLANNED:
        build_graph(prepare(words).runs, outputs=Path("outputs"))
    get_checkpoint_conversion_mapping("llama")


def serve() -> None:
    """Fork for every line of standard input until it ends; nothing outlives the tests."""
    die_with(os.getppid())
    for name in _WARM:
        importlib.import_module(name)
    _get_ready()
    gc.freeze()  # forks need not look at what the imports left
    own = os.getpid()
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            code = 70
            try:
                code = _child(json.loads(line), own)
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
