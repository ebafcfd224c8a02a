"""The batch script of a job array: a shape of machines in the words of submitit and sbatch."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.config.environment import in_shell
from etude.errors import SlurmError
from etude.launch.code import SAFE_PATH
from etude.launch.resources import Shape

if TYPE_CHECKING:
    import submitit

    from etude.launch.slurm.settings import SlurmSettings

#: Where submitit keeps the scripts, its pickles and what srun prints, in a run's folder.
JOBS_FOLDER = "jobs"


def executor(
    shape: Shape,
    launcher: SlurmSettings,
    folder: Path,
    *,
    name: str,
    code: Path,
    dependency: str = "",
    only_shown: bool = False,
) -> submitit.SlurmExecutor:
    """Return the submitit executor for jobs of one shape; raises SlurmError without SLURM.

    ``code`` is the copy that they run and ``dependency`` what they wait for (sbatch's words). One
    whose script is ``only_shown`` needs no SLURM.
    """
    import submitit

    class Shown(submitit.SlurmExecutor):
        @classmethod
        def affinity(cls) -> int:
            return 1  # submitit refuses where srun is not found

    python = shlex.join([launcher.python or sys.executable, SAFE_PATH])
    if shape.container:
        python = f"{shape.container} {python}"
    try:
        kind = Shown if only_shown else submitit.SlurmExecutor
        made = kind(folder / JOBS_FOLDER, python=python)
    except RuntimeError as error:
        raise SlurmError(
            "launcher=slurm: there is no srun on this machine's PATH. Submit from a login node of "
            "the cluster, or choose launcher=local or launcher=local_pool"
        ) from error
    options: dict[str, Any] = {
        "kill-on-invalid-dep": "yes",
        "requeue" if launcher.requeue else "no-requeue": True,
    }
    if shape.reservation is not None:
        options["reservation"] = shape.reservation
    options |= {key: True if value == "True" else value for key, value in shape.sbatch}
    made.update_parameters(
        job_name=f"{name}.{folder.name}",
        time=shape.minutes,
        nodes=shape.nodes,
        ntasks_per_node=shape.tasks_per_node,
        cpus_per_task=shape.cpus_per_task,
        gpus_per_node=shape.gpus_per_node or None,
        mem=None if shape.memory_gib is None else f"{round(shape.memory_gib * 1024)}M",
        partition=shape.partition,
        account=shape.account,
        qos=shape.qos,
        constraint=shape.constraint,
        dependency=dependency or None,
        array_parallelism=launcher.in_flight,
        signal_delay_s=launcher.signal_seconds,
        stderr_to_stdout=True,
        wckey=None,
        setup=setup_lines(shape, code, python, folder),
        # One dead rank ends the job: the others would wait for it for ever.
        srun_args=["--kill-on-bad-exit=1"],
        additional_parameters=options,
    )
    return made


# A stage must not train in another environment than it asked for. What fails inside of a file that
# is sourced is that file's affair.
_STRICT = (
    "trap 'code=$?; if [ ${#BASH_SOURCE[@]} -eq 1 ]; then "
    'echo "setup failed (exit code $code): $BASH_COMMAND" >&2; exit $code; fi\' ERR'
)


def setup_lines(shape: Shape, code: Path, python: str, folder: Path) -> list[str]:
    """Return the shell lines before srun: environment, and what happens when a rank is killed."""
    lines = [f"module load {shlex.quote(module)}" for module in shape.modules]
    lines += [in_shell(line) for line in shape.setup]
    if lines:
        lines = [_STRICT, *lines, "trap - ERR"]
    lines.append(f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}")
    if os.environ.get("SLURM_CONF"):
        # A job that submits what follows needs it, and submitit takes it out of the environment.
        lines.append(f"export SLURM_CONF={shlex.quote(os.environ['SLURM_CONF'])}")
    if shape.cpus_per_task is not None:
        # Since SLURM 22.05 srun does not take this over from sbatch.
        lines.append(f"export SRUN_CPUS_PER_TASK={shape.cpus_per_task}")
    ended = f"{python} -m etude.launch.slurm.ended {shlex.quote(str(folder))}"
    lines.append(
        f"trap {shlex.quote(f'code=$?; [ $code -eq 0 ] || {ended} $code; exit $code')} EXIT"
    )
    return lines


def text(made: submitit.SlurmExecutor, tasks: int) -> str:
    """Return the script that submitit would hand to sbatch for so many tasks."""
    made.parameters.pop("map_count", None)
    if tasks > 1:
        made.parameters["map_count"] = tasks
    # Private, but the only place where submitit's script is made; a test holds its form.
    script = made._make_submission_file_text(made._submitit_command_str, "etude")
    made.parameters.pop("map_count", None)
    return script


def dependency_of(edges: Sequence[tuple[str, str]]) -> str:
    """Return sbatch's words for (kind, job) pairs: ``afterok:812_0:815,aftercorr:816``."""
    kinds: dict[str, list[str]] = {}
    for kind, job in edges:
        kinds.setdefault(kind, []).append(job)
    return ",".join(f"{kind}:{':'.join(dict.fromkeys(jobs))}" for kind, jobs in kinds.items())
