"""A first look at the rows of stages and a first call of their verifiers, once for all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from etude.by_path.reference import is_reference
from etude.config import check_evaluations, first_call, first_look, lengths_look, needs
from etude.config.installation import Installation
from etude.config.resolve import StageConfig
from etude.config.sharing import ByIdentity

#: Verifiers by path that are called for one command; each call takes a process of its own.
_CALLS = 20


class RowChecker:
    """Looks at rows and calls verifiers for one installation; each stage's own only once."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._looked: ByIdentity[tuple[tuple[str, str], ...]] = ByIdentity()
        self._called: ByIdentity[tuple[tuple[str, str], ...]] = ByIdentity()
        self._calls = 0

    def look(self, stage: StageConfig, origin: str) -> list[tuple[str, str]]:
        """Return what a first look at the rows of a stage finds, once for all that share them."""
        found = list(self._look_at_main(stage, origin))
        for view, place in check_evaluations.with_own_rows(stage.config):
            sides, judged = ("held_out",), self._judged_sides(view, trained=False)
            nodes = [view.get(key) for key in ("data_mix", "sources", "verifier")]
            schema = self._installation.schema
            rows = partial(first_look.faults, view, schema, sides=sides, judged=judged)
            look = partial(_as_tuple, rows)
            seen = self._looked.of(look, *nodes, also=(sides, judged))
            found += [place(*fault) for fault in seen]
        return list(dict.fromkeys(found))

    def _look_at_main(self, stage: StageConfig, origin: str) -> tuple[tuple[str, str], ...]:
        schema, config = self._installation.schema, stage.config
        reads = needs.read_groups({**config, "evaluation": None}, schema)
        measured = bool(config.get("evaluation"))
        sides = (*(("train", "demonstrations") if "data_mix" in reads else ()),)
        sides += ("held_out",) if measured else ()
        judged = self._judged_sides(config)
        read = ("data_mix", "sources", "verifier", "model", "models")
        nodes = [config.get(key) for key in read]
        limit = lengths_look.limit_of(config, schema, stage.learner, origin)
        asked = lengths_look.limit_of_measured(config, origin)

        def look() -> tuple[tuple[str, str], ...]:
            lengths = {}
            if limit is not None:
                own = lengths_look.lengths_of(limit, config, schema, stage.learner, origin)
                lengths["train"] = own
            if asked is not None:
                lengths["held_out"] = lengths_look.of_prompts(asked, config, origin)
            rows = first_look.faults(config, schema, sides=sides, judged=judged, lengths=lengths)
            return tuple(rows)

        return self._looked.of(
            look, *nodes, also=(sides, judged, stage.learner, origin, limit, asked)
        )

    def call(self, stage: StageConfig) -> list[tuple[str, str]]:
        """Return what calling a stage's verifiers by path shows, of a long sweep's first ones."""
        found = list(self._call_one(stage.config))
        for view, place in check_evaluations.with_own_rows(stage.config):
            found += [place(*fault) for fault in self._call_one(view, measured_only=True)]
        return list(dict.fromkeys(found))

    def _call_one(
        self, config: dict[str, Any], *, measured_only: bool = False
    ) -> tuple[tuple[str, str], ...]:
        if not is_reference((config.get("verifier") or {}).get("name")) or self._calls > _CALLS:
            return ()
        judged = self._judged_sides(config, trained=not measured_only)

        def call() -> tuple[tuple[str, str], ...]:
            self._calls += 1
            return tuple(first_call.faults(config, self._installation, judged))

        read = ("data_mix", "sources", "verifier", "reward_weighting", "objective")
        return self._called.of(call, *(config.get(key) for key in read), also=judged)

    def _judged_sides(self, config: dict[str, Any], *, trained: bool = True) -> tuple[str, ...]:
        """Return the parts of the data mix whose answers a verifier judges."""
        schema = self._installation.schema
        reads = needs.read_groups({**config, "evaluation": None}, schema) if trained else []
        judged: tuple[str, ...] = ("train",) if "verifier" in reads else ()
        if config.get("evaluation") and "verifier" in needs.evaluation_reads(config, schema):
            judged += ("held_out",)
        return judged


def _as_tuple(find: Callable[[], Iterator[tuple[str, str]]]) -> tuple[tuple[str, str], ...]:
    return tuple(find())
