"""The whole command line judged at once: every fault in one report, before anything is started."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.config import check_choices, check_evaluations, check_roles
from etude.config.check_choices import ChoiceChecker
from etude.config.check_root import check_root
from etude.config.check_values import ValueChecker
from etude.config.compose import Composed, Member, roots_of
from etude.config.effect import Effects
from etude.config.fill_slots import SlotFiller
from etude.config.given import MOST_MEMBERS, Given, parse
from etude.config.implied import implied
from etude.config.installation import Installation
from etude.config.locate import Key, Locator
from etude.config.overlay import Overlays
from etude.config.pipeline import expand
from etude.config.quoting import as_text, pasted
from etude.config.several import spread
from etude.config.spelling import root_fields
from etude.errors import ConfigError, Fault


@dataclass
class Report:
    """The members that could be composed, and every fault found on the way.

    ``misread`` tells that a choice was wrong, so that what follows from it is not known;
    ``adrift`` that this was the choice of the stages or of what they read.
    """

    members: list[Member] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    misread: bool = False
    adrift: bool = False

    def add(self, fault: Fault) -> None:
        """Keep a fault once."""
        if fault not in self.faults:
            self.faults.append(fault)


class FrontCheck:
    """Judges commands against one installation."""

    def __init__(self, installation: Installation, *, evaluate: bool = False) -> None:
        self._installation = installation
        self._roots = roots_of(installation)
        self._choices = ChoiceChecker(installation, self._roots)
        self._evaluate = evaluate
        self._overlays = Overlays(installation.schema)
        self._values = ValueChecker(
            self._overlays,
            installation.schema,
            root_fields(evaluate),
            self._roots.trees,
            self._roots.composer.letters,
        )
        self._slots = SlotFiller(installation.schema, self._choices, self._locator, self._composed)
        self._warnings = installation.warnings
        self._read: dict[str, Given | Fault] = {}

    def run(self, overrides: Sequence[str], *, multirun: bool = False) -> Report:
        """Return every member of a command composed, with all faults of the command line."""
        report = Report()
        overrides = spread(overrides, self._installation.schema)
        given = self._parsed(overrides, report)
        self._refuse_sweeps(given, multirun, report)
        given = [each for each in given if self._known(each, report)]
        no_effect: list[list[Fault]] = []
        for texts in self._expanded(given, report):
            no_effect.append(self._member(texts, report))
        if no_effect:
            everywhere = [f for f in no_effect[0] if all(f in others for others in no_effect)]
            if len(no_effect) > 1:
                everywhere = self._of_sweep(no_effect)
            for fault in everywhere:
                report.add(fault)
        order = {text: place for place, text in enumerate(overrides)}
        report.faults.sort(key=lambda fault: order.get(fault.typed, len(order)))
        return report

    def _of_sweep(self, no_effect: list[list[Fault]]) -> list[Fault]:
        """Return what has no effect in any member, once for each thing typed."""
        typed = set.intersection(*({fault.typed for fault in faults} for faults in no_effect))
        first: dict[str, Fault] = {}
        for fault in itertools.chain(*no_effect):
            if fault.typed in typed:
                first.setdefault(fault.typed, fault)
        return list(first.values())

    def _parse(self, text: str) -> Given | Fault:
        if text not in self._read:
            self._read[text] = parse(text, self._roots.composer, self._installation)
        return self._read[text]

    def _parsed(self, overrides: Sequence[str], report: Report) -> list[Given]:
        found = []
        for text in overrides:
            each = self._parse(text)
            if isinstance(each, Fault):
                report.add(each)
                report.misread = report.misread or "group" in each.message
            else:
                found.append(each)
        return found

    def _refuse_sweeps(self, given: list[Given], multirun: bool, report: Report) -> None:
        for each in list(given):
            if each.override.is_sweep_override() and not multirun:
                key, _, value = each.typed.partition("=")
                message = (
                    "names several values: -m runs each of them,"
                    f" {pasted(f'{key}=[{value}]')} is a list and {as_text(key, value)} is text."
                )
                if (
                    not each.override.value_type
                    or each.override.value_type.name != "SIMPLE_CHOICE_SWEEP"
                ):
                    message = "names several values: -m runs each of them."
                report.add(Fault(each.typed, message))
                given.remove(each)

    def _known(self, each: Given, report: Report) -> bool:
        """Report choices that do not exist; a sweep's values are judged one by one."""
        if each.kind != "choice":
            return True
        fault = self._choices.unknown(each)
        if fault is None:
            return True
        report.add(fault)
        report.misread = True
        report.adrift = report.adrift or each.group in ("recipe", "objective")
        return False

    def _expanded(self, given: Sequence[Given], report: Report) -> list[list[str]]:
        lists = [list(each.expanded()) for each in given]
        count = 1
        for each, values in zip(given, lists, strict=True):
            count *= len(values)
            if not values:
                report.add(Fault(each.typed, "matches nothing."))
        if count > MOST_MEMBERS:
            report.add(Fault("-m", f"asks for {count:,} runs; the most is {MOST_MEMBERS:,}."))
            return []
        return [list(texts) for texts in itertools.product(*lists)]

    def _member(self, texts: Sequence[str], report: Report) -> list[Fault]:
        """Compose one member into the report; return what in it has no effect."""
        parsed = [self._parse(text) for text in texts]
        given = [each for each in parsed if isinstance(each, Given)]
        chosen, faults = self._choices.hydra_overrides(given, evaluate=self._evaluate)
        composed = self._composed(chosen, faults)
        if composed is not None and not faults:
            brought = implied(given, composed.choices, self._installation.schema)
            if brought:
                given += [each for each in map(self._parse, brought) if isinstance(each, Given)]
                chosen, faults = self._choices.hydra_overrides(given, evaluate=self._evaluate)
                composed = self._composed(chosen, faults)
        if composed is None:
            for fault in faults:
                report.add(fault)
            report.misread = True
            return []
        if faults:
            report.misread = report.adrift = True
        filled = self._slots.fill(given, chosen, composed)
        if filled.faults:
            report.misread = True
        composed, given = filled.composed, filled.given
        root, laid, value_faults = self._values.lay(composed, [g for g in given if not g.group])
        for fault in (*faults, *filled.faults, *value_faults):
            report.add(fault)
        warnings = [*self._warnings, *self._choices.pinned_twice(given)]
        report.members.append(Member(list(texts), root, composed.choices, warnings))
        if self._evaluate:
            return check_choices.unread_by_evaluate(given)
        if report.adrift:
            return []  # the stages of another recipe tell nothing
        return self._without_effect(root, composed, given, laid)

    def _composed(self, chosen: list[str], faults: list[Fault]) -> Composed | None:
        """Return the composed root; without the chosen files, or None, where they do not fit."""
        try:
            return self._roots.compose(chosen)
        except ConfigError as error:
            faults.extend(error.faults)
        try:
            return self._roots.compose([])
        except ConfigError:
            return None  # the reason has been given

    def _locator(self, composed: Composed) -> Locator:
        return self._values.locator(composed.root, composed.choices, new_entries=True)

    def _without_effect(
        self,
        root: Mapping[str, Any],
        composed: Composed,
        given: Sequence[Given],
        laid: Sequence[tuple[Given, Key, Any]],
    ) -> list[Fault]:
        try:
            check_root(root, self._installation.schema)
            steps = expand(root)
        except ConfigError:
            return []  # these faults are reported where the stages are checked
        effects = Effects(root, composed.choices, steps, self._installation.schema, self._overlays)
        found = []
        for each in given:
            if each.value is None and check_evaluations.is_none(each.path, composed.root, root):
                found.append(Fault(each.typed, "there is nothing to take away."))
        for each, key, value in laid:
            if each.stage is None:
                message = effects.of_value(key.path, key.field, value)
            else:
                message = effects.of_stage_value(each.stage, key.path, key.field)
            if message is not None:
                found.append(Fault(each.typed, message))
        for each in given:
            if each.kind == "choice" and each.stage is None:
                message = effects.of_choice(each.path, each.typed.partition("=")[2])
                if message is not None:
                    found.append(Fault(each.typed, message))
            elif each.kind == "choice" and each.stage is not None:
                message = effects.of_stage_choice(each.stage, each.path)
                if message is not None:
                    found.append(Fault(each.typed, message))
        typed = {each.path for each in given}
        here, nodes = self._installation, effects.nodes
        found += check_roles.misspelt(root, composed.choices, nodes, typed, here)
        return list(dict.fromkeys(found))
