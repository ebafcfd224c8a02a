"""`etude verify FILE`: has a verifier judge answers that are there already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etude.cli.frame import let_threads_sleep, tell, warn
from etude.cli.texts import VERIFY
from etude.config import command
from etude.errors import ConfigError, Fault

_COLUMNS = "columns."


@dataclass
class Asked:
    """What was typed: the file, the columns of it, and the overrides of the config."""

    file: Path | None = None
    label: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    json: bool = False
    help: bool = False
    overrides: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read(words: Sequence[str]) -> Asked:
    """Return what was typed, and the faults of it."""
    found = Asked(json="--json" in words)
    line = command.read([word for word in words if word != "--json"])
    found.faults, found.help = line.faults, line.help
    for switch in ("multirun", "resolve", "run"):
        if getattr(line, switch):
            found.faults.append(Fault(f"--{switch}", "has no use in etude verify."))
    for word in line.overrides:
        key, equals, value = word.partition("=")
        if not equals and not word.startswith("~"):
            if found.file is not None:
                found.faults.append(Fault(word, f"is a second file, beside {found.file}."))
            found.file = found.file or Path(word).expanduser()
        elif key == "label":
            found.label = value
        elif key.startswith(_COLUMNS):
            found.columns[key.removeprefix(_COLUMNS)] = value
        else:
            found.overrides.append(word)
            continue
        if equals and not value:
            found.faults.append(Fault(word, "needs the name of a column after it."))
    if found.file is None:
        found.faults.append(Fault("FILE", "is missing: etude verify FILE verifier=NAME"))
    elif not found.file.is_file():
        found.faults.append(Fault(str(found.file), "there is no such file."))
    return found


def main(words: Sequence[str]) -> int:
    """Judge the answers of a file and print what came of it; 1 where too many have no verdict."""
    asked = read(words)
    if asked.help:
        print(VERIFY, end="")
        return 0
    from etude.config.check_verify import columns_wanted, prepare_verify
    from etude.config.installation import installed

    here = installed()
    config, warnings = prepare_verify(asked.overrides, here, asked.faults)
    if asked.file is None:
        raise ConfigError(asked.faults)
    warn(warnings)
    from etude.build import build
    from etude.plan.quantities import counted
    from etude.printable import in_json
    from etude.verifier.failures import refuse_failures
    from etude.verifying.answers import read_answers, refuse_missing
    from etude.verifying.judging import verdicts_of
    from etude.verifying.table import Table

    seed = int(config["seed"])
    answers = read_answers(asked.file, asked.columns, label=asked.label, seed=seed)
    name = config["verifier"]["name"]
    wanted = columns_wanted(config, here)
    refuse_missing(asked.file, answers, wanted, f"verifier {name}")
    verifier = build(config["verifier"], "verifier", here.schema)
    let_threads_sleep()
    verdicts = verdicts_of(config, verifier, [answer.candidate for answer in answers], here)
    table = Table(list(zip(answers, verdicts, strict=True)), asked.label)
    if asked.json:
        tell(in_json(json.dumps(table.as_json(), indent=1, ensure_ascii=False)))
    else:
        tell(f"{asked.file} · {counted(len(answers), 'answer')} · verifier {name}\n")
        for text in table.lines():
            tell(text)
    refuse_failures(verdicts, verifier.most_failed, str(asked.file))
    return 0
