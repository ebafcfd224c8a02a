"""The command `etude`: everything that is not a run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from etude.by_path.reference import is_reference
from etude.cli.frame import guarded, tell, warn
from etude.cli.texts import COMMANDS, ETUDE
from etude.config import command
from etude.errors import ConfigError, Fault

#: Commands that are told nothing but their words; each is the `main` of a module of its own.
_ELSEWHERE = {
    "clean": "etude.launch.clean",
    "status": "etude.launch.seeing.status",
    "logs": "etude.launch.seeing.logs",
    "cancel": "etude.launch.seeing.cancel",
    "report": "etude.report.command",
    "export": "etude.export.command",
    "push": "etude.export.push",
    "resume": "etude.launch.resume",
    "compare": "etude.cli.compare",
    "verify": "etude.cli.verify",
    "measure": "etude.cli.measure",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `etude` and return its exit code."""
    return guarded(_etude, argv)


def _etude(argv: list[str]) -> int:
    words = [word for word in argv if word != "--traceback"]
    if not words or words[0] in ("-h", "--help", "help"):
        print(ETUDE, end="")
        return 0
    name, *rest = words
    if name == "--version":
        import etude

        print(f"etude {etude.__version__}")
        return 0
    if name in ("-sc", "--shell-completion"):
        from etude.cli.completion import complete

        return complete("etude", rest[0] if rest else "")
    if name == "list":
        from etude.cli.listing import main as list_choices

        return list_choices(rest)
    if name == "show" and rest and all(map(is_reference, rest)):
        from etude.cli.listing import main as list_choices

        return list_choices(rest)
    if name in ("show", "plan"):
        return _describe(name, rest)
    if name == "doctor":
        return _doctor(rest)
    if name in _ELSEWHERE:
        command_of: Callable[[Sequence[str]], int]
        command_of = importlib.import_module(_ELSEWHERE[name]).main
        return command_of(rest)
    raise ConfigError([Fault(f"etude {name}", _unknown(name))])


def _unknown(name: str) -> str:
    from etude.config.spelling import did_you_mean, listed

    if name in ("train", "evaluate"):
        return f"is a command of its own: {name} …"
    if "=" in name:
        return f"is an override; type train {name} … or etude show {name} …"
    return f"there is no such command.{did_you_mean(name, COMMANDS)} There are {listed(COMMANDS)}."


def _describe(name: str, words: list[str]) -> int:
    """Print what a train command would do: its stages resolved, or its plan."""
    line = command.read(words)
    if line.help:
        print(ETUDE, end="")
        return 0
    from etude.config.installation import installed
    from etude.config.prepare import prepare

    here = installed()
    prepared = prepare(
        line.overrides, multirun=line.multirun, installation=here, faults=line.faults
    )
    warn(prepared.warnings)
    if name == "show":
        from etude.cli.showing import show

        tell(show(prepared, here), end="")
        return 0
    from etude.plan.describe import describe
    from etude.plan.graph import build_graph
    from etude.plan.other_code import faults
    from etude.plan.other_version import notices

    graph = build_graph(prepared.runs)
    warn(notices(graph))
    warn(map(str, faults(graph.changed)))
    tell(describe(graph, graph.outputs, schema=here.schema))
    from etude.launcher import launcher_of

    for text in launcher_of([run.root for run in graph.runs]).planned(graph):
        tell(text)
    return 0


def _doctor(words: list[str]) -> int:
    """Look at this machine; ``outputs=FOLDER`` names another folder of results."""
    from pathlib import Path

    from etude.view.doctor import doctor

    outputs = "outputs"
    for word in words:
        key, _, value = word.partition("=")
        if key != "outputs" or not value:
            raise ConfigError([Fault(word, "doctor takes outputs=FOLDER and nothing else.")])
        outputs = value
    return doctor(Path(outputs))
