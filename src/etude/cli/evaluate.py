"""The command `evaluate`: measure a model that is already there."""

from __future__ import annotations

from collections.abc import Sequence

from etude.cli.frame import guarded, let_threads_sleep, warn
from etude.config import command
from etude.errors import ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run `evaluate` and return its exit code."""
    return guarded(_evaluate, argv)


def _evaluate(argv: list[str]) -> int:
    line = command.read(argv)
    if line.shell_completion is not None:
        from etude.cli.completion import complete

        return complete("evaluate", line.shell_completion)
    if line.help:
        from etude.cli.texts import EVALUATE

        print(EVALUATE, end="")
        return 0
    if line.version:
        import etude

        print(f"etude {etude.__version__}")
        return 0
    from etude.config.installation import installed

    here = installed()
    if line.info is not None or line.cfg is not None:
        from etude.cli import composed

        if line.faults:
            raise ConfigError(line.faults)
        if line.info is not None:
            return composed.print_info(line, here, "evaluate")
        return composed.print_config(line, here, evaluate=True)
    from etude.config.prepare import prepare_evaluation

    runs = prepare_evaluation(
        line.overrides, multirun=line.multirun, installation=here, faults=line.faults
    )
    warn(runs[0][0].warnings)
    let_threads_sleep()
    from etude.execute.local import run_evaluation
    from etude.launch import written
    from etude.view import make_observers

    codes = [
        run_evaluation(
            config,
            str(member.root["checkpoint"]),
            make_observers(member.root),
            # By its plan a run is seen, and taken up again.
            begun=lambda graph: written.write(graph, {"name": "local"}),
        )
        for member, config in runs
    ]
    return max(codes)
