"""Draws commands over everything that can be chosen here, each by its number alone.

An objective is drawn among all. Every slot, in it and below, is filled anew now and then, and every
group of the root that the stage reads every second time, each from all of its choices. Then some
fields of all these components are set to an edge of their range. What is drawn is drawn uniformly;
left out is only what needs a file, a network or a cluster.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.by_path.reference import is_reference
from etude.config import needs
from etude.config.conditions import holds
from etude.config.installation import Installation
from etude.config.read_yaml import read_yaml
from etude.config.reflect import describe_fields
from etude.config.root_yaml import DEFAULTS
from etude.config.settings import Execution
from etude.entries import ComponentInfo, FieldInfo

#: Fixed before the first combination was drawn; another one is another test.
SEED = 20_261_130

#: Root groups that are drawn beside the objective, where a stage reads them.
GROUPS = (
    "data_mix",
    "verifier",
    "reward_weighting",
    "curriculum",
    "rollout",
    "optimizer",
    "training",
    "evaluation",
)

#: What every stage is given: two steps of a model that a processor hardly notices.
SIZES = {
    "training.steps": 2,
    "training.rows_per_step": 8,
    "training.prompts_per_step": 4,
    "training.rollouts_per_prompt": 4,
    "rollout.max_new_tokens": 12,
    "evaluation.problems": 4,
    "evaluation.bootstrap": 10,
    "execution.threads": 1,
    "execution.minimum_free_gib": 0,
    "objective.samples_per_prompt": 2,
}

#: Keys whose range is what a machine can hold, and no edge of what a component does.
NOT_DRAWN = frozenset(
    {
        "training.steps",
        "execution.threads",
        "execution.device",
        "execution.accept_code",
        "execution.verifier_workers",
        "verifier.memory",
        "evaluation.base",
    }
)

#: The largest bound of a number that a small machine can try.
LARGEST = 64

#: How often a slot is filled anew; a group of the root that the stage reads is every second time.
FILLED_ANEW = 0.15

#: What a row of a step is → the mix that has such rows, in the place of the root's.
ROWS = {"demonstration": "arithmetic_worked", "pair": "generated_pairs"}

#: How many fields of a combination are moved from their default, at most.
MOST_MOVED = 4


@dataclass
class Combination:
    """One command: its words, and what was chosen in each place of a component's group."""

    number: int
    words: dict[str, str] = field(default_factory=dict)
    chosen: list[tuple[str, str]] = field(default_factory=list)  # (group, choice)
    moved: list[str] = field(default_factory=list)  # keys at an edge

    @property
    def command(self) -> list[str]:
        """Return what is typed after ``train``."""
        return [f"{key}={value}" for key, value in self.words.items()]


class Draw:
    """One combination in the making."""

    def __init__(
        self,
        number: int,
        installation: Installation,
        outside: Mapping[str, Iterable[str]],
        start: str,
    ) -> None:
        self._chance = random.Random(f"{SEED}/{number}")
        self._installation = installation
        self._schema = installation.schema
        self._outside = outside
        self._start = start
        self._fields: list[tuple[str, FieldInfo]] = []
        self._asked: list[tuple[str, ComponentInfo]] = []
        self.found = Combination(number, {"recipe": "rl", "tracker": "none"})

    def made(self) -> Combination:
        """Return the combination."""
        words = self.found.words
        objective = self._pick("objective")
        words["objective"] = objective
        info = self._info("objective", objective)
        self._inside("objective", info)
        evaluation = self._pick("evaluation") if self._chance.random() < 0.75 else "null"
        read = self._read(info, evaluation)
        for group in GROUPS:
            if group == "evaluation" and evaluation == "null":
                words[group] = evaluation
            elif group in read:
                choice = evaluation if group == "evaluation" else self._group(group, info)
                words[group] = choice
                self._inside(group, self._info(group, choice))
        self._beside(info)
        self._rows(words["data_mix"], info)
        self._sizes(info, read)
        self._move(info)
        self._signal()
        self._roles()
        return self.found

    def _pick(self, group: str) -> str:
        choice = self._chance.choice(self._choices(group))
        self.found.chosen.append((group, choice))
        return choice

    def _group(self, group: str, info: ComponentInfo) -> str:
        """Return the choice of a group of the root: every second time the one it has anyway."""
        if self._chance.random() < 0.5:
            return self._pick(group)
        row = self._schema.learner(info.learner or "").row
        return ROWS.get(row, DEFAULTS[group]) if group == "data_mix" else DEFAULTS[group]

    def _choices(self, group: str) -> list[str]:
        inside = [
            name
            for name in self._installation.choices(group)
            if group != "data_mix" or self._made_here(name)
        ]
        return [*inside, *self._outside.get(group, ())]

    def _info(self, group: str, choice: str) -> ComponentInfo:
        found = self._schema.choices(group).get(choice)
        if found is None:
            name = self._installation.component_name(group, choice)
            found = self._schema.find(group, name)
        assert found is not None, (group, choice)
        return found

    def _inside(self, path: str, info: ComponentInfo) -> None:
        """Fill the slots of a component, and keep its other fields to draw from."""
        self._asked.append((path, info))
        for each in info.fields.values():
            place = f"{path}.{each.name}"
            if each.slot is not None:
                choice = each.default
                if self._chance.random() < FILLED_ANEW:
                    choice = self._pick(each.slot)
                    self.found.words[place] = choice
                if choice:
                    self._inside(place, self._info(each.slot, choice))
            elif each.slots is not None:
                chosen = list(each.default or [])
                if self._chance.random() < FILLED_ANEW:
                    chosen = self._several(each.slots)
                    self.found.words[place] = f"[{','.join(chosen)}]"
                for choice in chosen:
                    part = self._info(each.slots, choice)
                    key = choice.rpartition(":")[2] if is_reference(choice) else part.name
                    self._inside(f"{place}.{key}", part)
            else:
                self._fields.append((place, each))

    def _several(self, group: str) -> list[str]:
        """Return up to two parts for a slot of several, of two components."""
        choices = self._choices(group)
        picked = self._chance.sample(choices, k=min(self._chance.randint(0, 2), len(choices)))
        names = [self._info(group, choice).name for choice in picked]
        kept = [c for c, name in zip(picked, names, strict=True) if names.count(name) == 1]
        self.found.chosen += [(group, choice) for choice in kept]
        return kept

    def _read(self, info: ComponentInfo, evaluation: str) -> set[str]:
        node = {"objective": {"name": self._named(info)}, "evaluation": None}
        if evaluation != "null":
            name = self._installation.component_name("evaluation", evaluation)
            node["evaluation"] = {"name": name}
        return set(needs.read_groups(node, self._schema))

    def _named(self, info: ComponentInfo) -> str:
        return self._installation.component_name("objective", info.name)

    def _beside(self, info: ComponentInfo) -> None:
        """Measure in a second way now and then, and train a second model."""
        words = self.found.words
        if self._chance.random() < FILLED_ANEW:
            words["evaluations.beside.evaluation"] = self._pick("evaluation")
        groups = self._schema.learner(info.learner or "").groups
        if groups and self._chance.random() < FILLED_ANEW:
            words["models.rival"] = "base"
            path, choice = "models.rival.train.objective", self._pick("objective")
            words[path] = choice
            chosen = self._info("objective", choice).fields.get("filter")
            if chosen is not None:
                info = self._info("objective/filter", chosen.default)
                self._asked.append((f"{path}.filter", info))
            words["models.rival.train.schedule"] = self._pick("models/schedule")

    # Rows.

    def _sources(self, mix: str) -> set[str]:
        content = read_yaml(self._installation.choices("data_mix")[mix].path)
        parts = [content.get(kind) or {} for kind in ("train", "held_out", "demonstrations")]
        return {key for part in parts for key in part}

    def _made_here(self, mix: str) -> bool:
        """Tell whether a mix has rows, all made by a generator or by an earlier stage."""
        sources = self._sources(mix)
        made = ("path" not in self._info("sources", name).fields for name in sources)
        return (bool(sources) and all(made)) or any(map(_of_stage, sources))

    def _rows(self, mix: str, info: ComponentInfo) -> None:
        """Give a mix of rows that an earlier stage writes the stage, and rows to measure on."""
        words = self.found.words
        mixes = self._installation.choices("data_mix")
        sources = self._sources(mix) if mix in mixes else {"arithmetic"}
        made = [name for name in sorted(sources) if _of_stage(name)]
        for name in sorted(sources | ({"arithmetic"} if made else set())):
            if name.startswith("arithmetic"):
                for key in self._info("sources", name).fields:
                    if key in ("train_size", "test_size", "problems"):
                        words[f"sources.{name}.{key}"] = "12"
        if made:
            writers = [
                name
                for name, each in self._schema.choices("objective").items()
                if self._schema.learner(each.learner or "").hands_on == "data"
            ]
            # Every second time one that writes what is read.
            fitting = [name for name in writers if all(self._writes(name, each) for each in made)]
            writer = self._chance.choice(
                fitting if fitting and self._chance.random() < 0.5 else writers
            )
            self.found.chosen.append(("objective", writer))
            words["pipeline"] = "[first,rl]"
            words["+stages.first"] = "{}"
            words["stages.first.objective"] = writer
            words["stages.first.data_mix"] = self._chance.choice(
                ["arithmetic", "arithmetic_worked", "arithmetic_teacher"]
            )
            words["stages.first.objective.samples_per_prompt"] = "4"
            words |= _kept("stages.first.objective", self._info("objective", writer))
            words["stages.first.training.rows_per_step"] = "4"
            words["stages.first.evaluation"] = "null"
            for name in made:
                words[f"sources.{name}.from_stage"] = "first"
            if words.get("evaluation") != "null" and self._chance.random() < 0.75:
                words["data_mix.held_out"] = "{arithmetic: {split: test}}"
        if self._chance.random() < 0.25:
            words["data_mix.demonstrations"] = "{arithmetic: {split: train}}"

    def _writes(self, writer: str, source: str) -> bool:
        """Tell whether an objective writes the columns that a source maps."""
        mapped = read_yaml(self._installation.choices("sources")[source].path).get("columns") or {}
        provides = [need.what for need in self._info("objective", writer).provides]
        own = {what.removeprefix("written:") for what in provides}
        return set(mapped.values()) <= own | {"id", "prompt", "answer", "solution", "level"}

    # Values.

    def _sizes(self, info: ComponentInfo, read: set[str]) -> None:
        learner = self._schema.learner(info.learner or "")
        words = self.found.words
        known = dict(self._fields)
        for key, value in SIZES.items():
            group = key.partition(".")[0]
            described = known.get(key)
            if group == "execution" or (
                group in read and described is not None and learner.reads(described)
            ):
                words[key] = str(value)
        if self._chance.random() < 0.75:
            words["start_from"] = self._start
        words |= {
            "model": "scratch",
            "model.hidden_size": "32",
            "model.layers": "1",
            "model.heads": "2",
            "model.kv_heads": "1",
            "model.intermediate_size": "64",
        }

    def _move(self, info: ComponentInfo) -> None:
        learner = self._schema.learner(info.learner or "")
        fields = [
            *((f"execution.{each.name}", each) for each in _settings()),
            *self._fields,
        ]
        open_to = [
            (place, values)
            for place, each in fields
            if learner.reads(each) and place not in NOT_DRAWN and (values := list(edges(each)))
        ]
        for place, values in self._chance.sample(open_to, k=self._chance.randint(0, MOST_MOVED)):
            self.found.words[place] = self._chance.choice(values)
            self.found.moved.append(place)

    def _signal(self) -> None:
        """Have what draws groups anew go by lengths: a model like this solves too little else."""
        for path, info in self._asked:
            if info.group == "objective/filter":
                self._by_length(path, info)
            self.found.words |= _kept(path, info)

    def _by_length(self, path: str, info: ComponentInfo) -> None:
        """Have a filter that draws groups anew find some that differ, where it looks at one number.

        Answers of a model that was taught nothing, sampled plainly, differ in length.
        """
        if "max_batches" in info.fields:
            self._unmove("start_from", *(key for key in self.found.moved if "rollout" in key))
            if "metric" in info.fields:
                self.found.words[f"{path}.metric"] = "length"
            self.found.words[f"{path}.max_batches"] = "100"

    def _unmove(self, *keys: str) -> None:
        for key in keys:
            self.found.words.pop(key, None)
            if key in SIZES:
                self.found.words[key] = str(SIZES[key])

    def _roles(self) -> None:
        """Load the models that a part asks for, most of the time."""
        for path, info in self._asked:
            values = {each.name: each.default for each in info.fields.values()}
            for key in values:
                if (word := self.found.words.get(f"{path}.{key}")) is not None:
                    values[key] = _read(word)
            for need in info.requires:
                kind, _, role = need.what.partition(":")
                if kind == "model" and holds(need.when, values) and self._chance.random() < 0.9:
                    role = role.format(**values)
                    key = role if role == needs.SAMPLER else f"models.{role}"
                    self.found.words[key] = self._chance.choice(["start", "base"])


def _kept(path: str, info: ComponentInfo) -> dict[str, str]:
    """Return what has a stage that writes rows keep those of a model that was hardly trained."""
    kept = {"keep": "all", "positives": "demonstrations", "drop_uninformative": "false"}
    own = info.fields if info.group == "objective" else {}
    return {f"{path}.{key}": value for key, value in kept.items() if key in own}


def _of_stage(source: str) -> bool:
    """Tell whether a source reads the rows of an earlier stage."""
    return source.startswith("generated")


def _read(word: str) -> Any:
    plain = {"true": True, "false": False, "null": None}
    if word in plain:
        return plain[word]
    try:
        return float(word)
    except ValueError:
        return word


def _settings() -> Iterator[FieldInfo]:
    for name, entry in describe_fields(Execution, "").items():
        yield FieldInfo.of(name, entry)


def edges(each: FieldInfo) -> Iterator[str]:
    """Yield the values at the edges of a field's range, as they are typed."""
    if each.choices is not None:
        yield from map(str, each.choices)
    elif each.type == "bool":
        yield from ("true", "false")
    elif each.type in ("int", "float"):
        yield from _bounds(each)
    elif each.form in ("part", "part or reward") and each.type == "str":
        yield from ("accuracy", "format", "length")
    elif each.form == "part" and each.type == "list[str]":
        yield from ("[]", "[accuracy]", "[accuracy,format]")
    if each.optional:
        yield "null"


def _bounds(each: FieldInfo) -> Iterator[str]:
    step = 1 if each.type == "int" else 0.001
    for name, shift in (("ge", 0), ("gt", step), ("le", 0), ("lt", -step)):
        if name in each.bounds and abs(bound := each.bounds[name] + shift) <= LARGEST:
            yield str(int(bound) if each.type == "int" else bound)
