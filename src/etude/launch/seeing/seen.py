"""What is known of one piece of a run: its state, and all that explains it."""

from __future__ import annotations

from dataclasses import dataclass

#: Every state, as a headline lists them. ``blocked``: what it rests on, or a gate, keeps it from
#: running; ``stopped``: interrupted, goes on when taken up; ``vanished``: SLURM has no record of
#: its job; ``unsubmitted``: no job was handed over yet; ``queued``: it has a job, more is unknown.
STATES = (
    "done",
    "running",
    "waiting",
    "queued",
    "unsubmitted",
    "blocked",
    "cancelled",
    "stopped",
    "vanished",
    "failed",
)

#: States in which a piece may still end well by itself.
LIVE = frozenset({"running", "waiting", "queued"})


@dataclass(frozen=True)
class Seen:
    """One piece of a run as it stands.

    ``attempt``, ``step`` and ``steps`` tell how far it is, ``resumes_from`` where another attempt
    would go on. ``cause`` says why it is in its state, ``hint`` under which overrides it may get
    further. ``figure``, ``left`` and ``silent`` (seconds to go, and without a step for longer than
    usual) are of running ones. ``run`` is another run whose job does the work. ``models`` are those
    it is given or trains beside its own, in words.
    """

    name: str
    fingerprint: str
    state: str
    overrides: tuple[str, ...] = ()
    is_stage: bool = True
    attempt: int = 0
    step: int = 0
    steps: int = 0
    resumes_from: int = 0
    cause: str = ""
    hint: str = ""
    job: str = ""
    node: str = ""
    rank: int | None = None
    log: str = ""
    figure: str = ""
    left: float | None = None
    silent: float | None = None
    run: str = ""
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    models: str = ""

    @property
    def head(self) -> str:
        """Return its name as the commands take it, such as ``rl-3c1e``."""
        return f"{self.name}-{self.fingerprint[:4]}"
