"""What every verifier tells of rows before it judges answers to them, wherever it judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from etude.built import components
from etude.component import option
from etude.config.conditions import holds


@dataclass(frozen=True, kw_only=True)
class Readable:
    """What every verifier tells of rows before it judges answers to them."""

    #: The column that says what is right, which messages name.
    gold: ClassVar[str] = "answer"

    #: Whether a list in that column holds several right answers, and is not one thing itself.
    alternatives: ClassVar[bool] = True

    #: The verifier that may read right answers which this one cannot, as messages name it.
    instead: ClassVar[str] = "NAME"

    most_failed: float = option(
        0.5,
        "share of answers that the verifier itself may fail on before the run stops (the outermost"
        " decides)",
        kind="execution",
        ge=0,
        le=1,
    )

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why a row's right answer cannot be read (``is null``), None where it can.

        A row like that is never judged (``refused``): no answer to it is right or wrong. Where the
        answer is a list each of its entries is right, and has to be readable; what a verifier wraps
        has to be able to read it, too.
        """
        own = self._gold_problem(columns) if self._compares else None
        if own is not None:
            return own
        found = (wrapped.unreadable(columns) for wrapped in self.wrapped)
        return next((problem for problem in found if problem is not None), None)

    def reader_of(self, columns: Mapping[str, Any]) -> Readable:
        """Return the verifier, this one or one in it, that cannot read a row's right answer."""
        problem = self.unreadable(columns)
        every = (self, *self.wrapped)
        return [each for each in every if each.unreadable(columns) == problem][-1]

    def _gold_problem(self, columns: Mapping[str, Any]) -> str | None:
        gold = columns.get(self.gold)
        several = self.alternatives and isinstance(gold, (list, tuple))
        golds = gold if several else [gold]
        if not golds:
            return "is an empty list"
        for each in golds:
            problem = "is null" if each is None else self.gold_fault(str(each))
            if problem is not None:
                return problem
        return None

    @property
    def _compares(self) -> bool:
        declaration = getattr(self, "declaration", None)
        return declaration is not None and any(
            need.what == f"column:{self.gold}" for need in declaration.requires
        )

    @cached_property
    def wrapped(self) -> tuple[Readable, ...]:
        """Return the verifiers that this one holds, those in them included."""
        _, *inside = components(self, "")
        return tuple(each for _, each in inside if isinstance(each, Readable))

    @cached_property
    def columns_read(self) -> tuple[str, ...]:
        """Return the columns without which no answer to a row can be judged."""
        kind = "column:"
        needs = [
            (need, vars(each))
            for each in (self, *self.wrapped)
            if hasattr(each, "declaration")
            for need in each.declaration.requires
        ]
        found = [
            need.what.removeprefix(kind).format_map(options)
            for need, options in needs
            if need.what.startswith(kind) and holds(need.when, options)
        ]
        return tuple(dict.fromkeys(found))

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with, None where it can."""
        return None if gold.strip() else "is empty"

    @property
    def title(self) -> str:
        """Return what messages call it."""
        return f"verifier {type(self).__qualname__}"
