"""An audit of a judge: known ways of talking it into a yes, played when training starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etude.notices import notice
from etude.randomness import seed_of
from etude.rows import Candidate
from etude.verifier.hacking import attacks

#: Candidates, and whether guards stand before the model, to which of them it accepts.
Accepts = Callable[[Sequence[Candidate], bool], Sequence[bool]]


class Audit:
    """What a judge accepts of answers that are all wrong; played once a stage.

    ``found`` are metrics: ``audit/accepted`` is the share that gets through as answers do in
    training, ``audit/unguarded`` that of the model alone.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self.found: dict[str, float] = {}

    def play(self, accepts: Accepts) -> dict[str, float]:
        """Return the shares that a judge accepts, and tell them the first time."""
        if not self.found:
            played = attacks()
            asked = [
                Candidate(
                    f"audit:{number}",
                    0,
                    attack.question,
                    attack.answer,
                    {"answer": attack.gold},
                    seed=seed_of("audit", number),
                )
                for number, attack in enumerate(played)
            ]
            through = accepts(asked, True)
            alone = accepts(asked, False)
            worst = sorted({a.pattern for a, yes in zip(played, alone, strict=True) if yes})
            self.found = {
                "audit/accepted": sum(through) / len(played),
                "audit/unguarded": sum(alone) / len(played),
            }
            self._tell(len(played), sum(through), sum(alone), worst)
        return dict(self.found)

    def _tell(self, count: int, through: int, alone: int, worst: Sequence[str]) -> None:
        by = f", by {', '.join(worst)}" if worst else ""
        notice(
            f"audit of the judge ({self._role}): of {count} wrong answers that are made to be"
            f" accepted {through} get through, and the model alone accepts {alone}{by}"
        )
