"""A sampler whose answers are given: guidance without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from etude.rows import Example, Outcome, Row, Verdict


def tokens_of(text: str) -> tuple[int, ...]:
    """Return one token a character."""
    return tuple(map(ord, text))


def answer(example: Example, index: int, *, text: str = "", **parts: float) -> Row:
    """Return a judged answer to an example; it is right where its accuracy is above 0."""
    right = parts.get("accuracy", 0.0) > 0
    row = Row(
        prompt_id=example.id,
        index=index,
        prompt=tokens_of(example.prompt),
        sampled_prompt=tokens_of(example.prompt),
        tokens=tokens_of(text),
        loss_mask=[1] * len(text),
        off_policy=[0] * len(text),
        example=example,
        text=text,
    )
    row.verdict = Verdict(Outcome.CORRECT if right else Outcome.WRONG, parts)
    return row


class GivenAnswers:
    """Gives the answers of ``answers(example, visit)``: visit counts how often its id was asked."""

    def __init__(
        self,
        answers: Callable[[Example, int], list[Row]],
        texts: Mapping[str, str] | None = None,
        *,
        step: int = 0,
        room: int = 10**9,
    ) -> None:
        self.answers = answers
        self.texts = texts or {}
        self.step = step
        self.room = room
        self.visits: Counter[str] = Counter()

    @property
    def seed(self) -> int:
        """Return a seed."""
        return 1

    def sample(
        self, examples: Sequence[Example], size: int, *, prefixes: Sequence[str] | None = None
    ) -> list[list[Row]]:
        """Return the next answers to each example."""
        assert prefixes is None
        found = []
        for example in examples:
            found.append(self.answers(example, self.visits[example.id]))
            assert len(found[-1]) == size
            self.visits[example.id] += 1
        return found

    def text(self, example: Example) -> str | None:
        """Return the example's demonstration."""
        return self.texts.get(example.id)

    def beginning(self, text: str, share: float) -> str:
        """Return a share of a text's words, which are its tokens here."""
        words = text.split(" ")
        return " ".join(words[: round(share * len(words))])

    def context(self, example: Example) -> tuple[int, ...]:
        """Return the tokens of the example's prompt."""
        return tokens_of(example.prompt)

    def fits(self, example: Example) -> bool:
        """Return whether a prompt is no longer than there is room."""
        return len(example.prompt) <= self.room

    def demonstrations(
        self, examples: Sequence[Example], shares: Sequence[float]
    ) -> list[Row | None]:
        """Return each example's demonstration as a row; the rest of a share below 1 is dots."""
        rows: list[Row | None] = []
        for example, share in zip(examples, shares, strict=True):
            text = self.text(example)
            if text is None:
                rows.append(None)
                continue
            given = int(share * len(text))
            row = answer(example, 0, text=text[:given] + "." * (len(text) - given), accuracy=1.0)
            row.off_policy = [int(t < given) for t in range(len(text))]
            rows.append(row)
        return rows

    def taught(self, example: Example) -> Row | None:
        """Return nothing: no guidance asks for it."""
        raise AssertionError(f"{example.id} was asked for to be imitated")
