"""Whether this machine has what a test cluster needs, and what tests do where it has not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

COMMANDS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol"]
ACCOUNTING_COMMANDS = ["slurmdbd", "sacct", "sacctmgr", "mariadbd", "mariadb-install-db"]
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def missing_commands() -> list[str]:
    """The programs that a cluster needs and this machine does not have."""
    needed = COMMANDS + ACCOUNTING_COMMANDS
    return [name for name in needed if shutil.which(name, path=SEARCH_PATH) is None]


def can_install() -> bool:
    """Whether `install.sh` could put SLURM in place here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def reason_to_skip(
    missing: list[str], environment: Mapping[str, str], installable: bool
) -> str | None:
    """Why tests on a cluster cannot run here; raises where they must, and None where they can."""
    if environment.get("ETUDE_SLURM_TESTS") == "off":
        return "ETUDE_SLURM_TESTS=off"
    if sys.platform != "linux":
        return "SLURM runs on Linux alone"
    if not missing:
        return None
    lacking = f"SLURM is not complete here: no {', '.join(missing)}"
    if environment.get("CI") and installable:
        raise RuntimeError(f"{lacking}. In CI it must be: see what tests/slurm/install.sh printed")
    return f"{lacking}; as root on Debian or Ubuntu: ETUDE_SLURM_TESTS=install make test"
