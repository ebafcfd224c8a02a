"""`etude export`: a finished model as a folder for the hub, or as a row of a leaderboard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.cli.frame import Parser, tell, warn
from etude.cli.texts import EXPORT
from etude.errors import ConfigError, Fault, StorageError

if TYPE_CHECKING:
    from etude.export.facts import Facts

#: A name on the hub, or the last part of one.
_BASE = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_NAME = re.compile(r"[\w][\w.-]*", re.ASCII)
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")

#: Where an export lies when nothing else is said, in the folder of results.
_EXPORTS = "exports"


def main(arguments: Sequence[str]) -> int:
    """Export what a word names; nothing is loaded, and the hub is not asked."""
    parser = Parser("etude export", add_help=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--to", type=Path)
    parser.add_argument("--role", default="")
    parser.add_argument("--stage", default="")
    parser.add_argument("--name", default="")
    parser.add_argument("--base", default="")
    parser.add_argument("--license", default="")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--row", action="store_true")
    parser.add_argument("--csv", action="store_true")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("-h", "--help", action="store_true")
    given = parser.parse_args(list(arguments))
    if given.help:
        print(EXPORT, end="")
        return 0
    faults = list(_faults(given))
    if faults:
        raise ConfigError(faults)
    return _rows(given) if given.row or given.csv else _folder(given)


def _faults(given: Any) -> list[Fault]:
    found = []
    row = given.row or given.csv
    if not given.words:
        found.append(Fault("STAGE", "is missing: etude export STAGE, or a RUN (etude status)."))
    elif len(given.words) > 1 and not row:
        more = " ".join(given.words[1:])
        found.append(Fault(more, "one folder holds one model; several are rows: --row."))
    if row and (given.to is not None or given.overwrite):
        found.append(Fault("--row", "is printed, and goes with neither --to nor --overwrite."))
    if given.base and not _BASE.fullmatch(given.base):
        found.append(Fault(f"--base {given.base}", "is the base on the hub: OWNER/NAME."))
    if given.name and not _NAME.fullmatch(given.name):
        found.append(Fault(f"--name {given.name}", "is letters, digits, '.', '_' and '-'."))
    if given.license and not _LICENCE.fullmatch(given.license):
        message = "is a licence as the hub writes it: apache-2.0, mit, llama3.2, other."
        found.append(Fault(f"--license {given.license}", message))
    return found


def _rows(given: Any) -> int:
    from etude.export.facts import facts_of
    from etude.export.naming import subjects_of
    from etude.export.row import as_csv, as_json, row_of
    from etude.recorded.outputs import Outputs
    from etude.schema import load

    outputs, schema = Outputs(given.outputs), load()
    found = [
        subject
        for word in given.words
        for subject in subjects_of(word, outputs, stage=given.stage, role=given.role)
    ]
    rows = [
        row_of(
            facts_of(each, outputs, schema, name=given.name, base=given.base, licence=given.license)
        )
        for each in found
    ]
    warn(outputs.problems)
    tell(as_csv(rows) if given.csv else as_json(rows), end="")
    return 0


def _folder(given: Any) -> int:
    from etude.export.facts import facts_of
    from etude.export.folder import refuse_place, write
    from etude.export.naming import the_subject
    from etude.plan.describe import shown
    from etude.plan.quantities import counted, size
    from etude.recorded.outputs import Outputs
    from etude.schema import load

    outputs = Outputs(given.outputs)
    subject = the_subject(given.words[0], outputs, stage=given.stage, role=given.role)
    place = given.to or subject.outputs / _EXPORTS / (given.name or subject.head)
    to = place.expanduser().absolute()
    refuse_place(to, overwrite=given.overwrite)
    facts = facts_of(
        subject, outputs, load(), name=given.name, base=given.base, licence=given.license
    )
    _refuse_adapter(facts)
    done = write(facts, to, overwrite=given.overwrite)
    warn(outputs.problems)
    warn(done.notes)
    warn(_lacking(facts))
    here = shown(to)
    total = size(sum(done.files.values()))
    tell(f"export   {here}  ({counted(len(done.files), 'file')}, {total})")
    tell(f"model    as {subject.stage.folder.name} published it; loads with {_loads(facts)}")
    tell(f"card     {shown(to / 'README.md')}")
    tell(f"next     etude push {here} OWNER/NAME")
    return 0


def _loads(facts: Facts) -> str:
    return "peft" if facts.is_adapter else "transformers"


def _refuse_adapter(facts: Facts) -> None:
    """Refuse adapters whose base has no name on the hub: nobody else could load them."""
    if facts.is_adapter and not facts.base:
        raise StorageError(
            f"{facts.subject.head} is adapters alone, of a model that has no name on the hub, so "
            "nobody else could load them. Export that one and push it, then name it: --base "
            "OWNER/NAME; or train with model.lora.hand_on=merged"
        )


def _lacking(facts: Facts) -> list[str]:
    found = []
    if not facts.licence.is_known:
        of = "no licence was given" if facts.origin.is_scratch else "that of the base is not known"
        found.append(f"the card has no licence: {of}; --license NAME says it (apache-2.0, …)")
    if facts.command is None:
        found.append("no run here asked for this stage, so the card has no command")
    if not facts.measurements:
        found.append("no evaluation of this model is recorded, so the card has no figures")
    if facts.origin.base_name and not facts.base:
        found.append("the base is a folder; --base OWNER/NAME says what it is on the hub")
    return found
