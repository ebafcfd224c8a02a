"""What a job does at its very end: it submits what had no room in the queue before.

It still takes up a place itself then, and others of its run may be at their end too. So one of them
at a time stays for a while and tries again; the others wait a little for their turn, and leave.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from etude.cli.frame import tell
from etude.errors import EtudeError
from etude.execute.lock import locked
from etude.execute.owner import Owner
from etude.launch import registry
from etude.launch.slurm import commands
from etude.launch.slurm.submit import submit

#: How long a job stays to submit the rest, waits for another that is at it, and pauses in between.
_STAYS = 60.0
_WAITS = 15.0
_PAUSE = 4.0


class _Leave(Exception):
    """Another job sees to it."""


def submit_the_rest(folder: Path, outputs: Path, owner: Owner) -> None:
    """Submit what is left of the run in ``folder`` from its job ``owner``, which is at its end.

    Where no job can, a person does it with ``etude resume``: nothing is raised.
    """
    turn = time.monotonic() + _WAITS

    def check() -> None:
        if time.monotonic() > turn or not registry.waiting(folder):
            raise _Leave

    if not registry.waiting(folder):
        return
    try:
        with locked(outputs, f"rest-{folder.name}", waiting=lambda _: None, check=check):
            _try(folder, owner)
    except _Leave:
        return
    except EtudeError as error:
        tell(f"what is left of the run was not submitted from this job: {error}", error=True)


def _try(folder: Path, owner: Owner) -> None:
    end = time.monotonic() + _STAYS
    while registry.waiting(folder):
        done = submit(folder, again=False, say=tell)
        if not done.waiting or done.count:
            return
        live = commands.queue()
        if _others_follow(folder, owner, live):
            return
        # Alone in the queue, this job itself takes up the room: to stay would only hold machines.
        if time.monotonic() > end or live.keys() <= {owner.job}:
            tell(
                "no room to submit what is left while this job is in the queue; go on with: "
                f"etude resume {folder.name.rpartition('-')[2]} (launcher.wait=true stays and "
                "submits each job as the one before it ends)"
            )
            return
        time.sleep(_PAUSE)


def _others_follow(folder: Path, owner: Owner, live: Mapping[str, commands.Queued]) -> bool:
    """Tell whether another job of this run is at work, which will come here in its turn."""
    for unit, each in registry.jobs_of(folder).items():
        if each.job == owner.job or each.run != folder.name or each.job not in live:
            continue
        about = registry.ended(folder, unit)
        if live[each.job].state == "RUNNING" and (about is None or about.get("job") != each.job):
            return True
    return False
