"""The command `train`: judge, compose, plan, run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etude.cli.frame import guarded, let_threads_sleep, warn
from etude.config import command
from etude.errors import ConfigError

if TYPE_CHECKING:
    from etude.config.command import CommandLine
    from etude.plan.nodes import Graph


def main(argv: Sequence[str] | None = None) -> int:
    """Run `train` and return its exit code: 0 done, 1 failed, 2 bad config, 130 interrupted."""
    return guarded(_train, argv)


def _train(argv: list[str]) -> int:
    line = command.read(argv)
    if line.shell_completion is not None:
        from etude.cli.completion import complete

        return complete("train", line.shell_completion)
    if line.help:
        from etude.cli.texts import train_help

        print(train_help(), end="")
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
            return composed.print_info(line, here, "train")
        return composed.print_config(line, here)
    return launched(line)[1]


def launched(line: CommandLine) -> tuple[Graph, int]:
    """Compose, judge, plan and start what a command line asks for; return graph and exit code.

    Raises ConfigError where nothing can be started.
    """
    from etude.config.installation import installed
    from etude.config.prepare import prepare

    here = installed()
    prepared = prepare(
        line.overrides, multirun=line.multirun, installation=here, faults=line.faults
    )
    warn(prepared.warnings)
    from etude.plan import other_code, other_version, rehearsed
    from etude.plan.graph import build_graph

    graph = build_graph(prepared.runs)
    warn(other_version.notices(graph))
    if graph.changed:
        raise ConfigError(other_code.faults(graph.changed))
    tried = rehearsed.faults(graph, here.schema)
    if tried:
        raise ConfigError(tried)
    let_threads_sleep()
    from etude.launcher import launcher_of

    root = prepared.runs[0][0].root
    return graph, launcher_of([run.root for run in graph.runs]).launch(graph, root)
