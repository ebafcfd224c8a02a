"""How the rows of a step become micro-batches: which go together, and where their tokens lie."""

from __future__ import annotations

from collections.abc import Sequence

from etude.distributed.world import current
from etude.learner.dealing import cut
from etude.learner.microbatch import MicroBatch, Trainable, collate
from etude.learner.shared_prompts import lines_of
from etude.model.policy import Policy


class Layout:
    """Cuts rows into micro-batches and lays out each once in a step, whichever passes read it.

    With ``share_prompts`` rows of equal prompts lie behind one copy of it, where every model that
    is named reads each of them as if alone; all other rows have a line of tokens of their own. Rows
    are told apart by identity and must not change meanwhile.
    """

    def __init__(self, *, share_prompts: bool = False) -> None:
        self._share = share_prompts
        self._known: dict[tuple[object, ...], tuple[Sequence[Trainable], MicroBatch]] = {}

    def cut(
        self,
        rows: Sequence[Trainable],
        token_budget: int,
        *models: Policy,
        groups: Sequence[object] | None = None,
    ) -> list[list[int]]:
        """Return row numbers in micro-batches of at most ``token_budget`` tokens (``dealing.cut``).

        A prompt that is shared counts once. ``groups`` are labels of rows, of which those of one
        label stay together. All ranks ask together, for the same rows.
        """
        lines = self._lines(rows, token_budget, models, groups, spread=groups is None)
        if lines is None:
            return cut([_length(row) for row in rows], token_budget, groups)
        lengths = [_filled([rows[i] for i in line]) for line in lines]
        owners = None if groups is None else [groups[line[0]] for line in lines]
        micro = cut(lengths, token_budget, owners)
        return [[row for line in part for row in lines[line]] for part in micro]

    def __call__(self, rows: Sequence[Trainable], token_budget: int, *models: Policy) -> MicroBatch:
        """Return the micro-batch of ``rows`` for models that share a tokenizer, on the CPU."""
        lines = self._lines(rows, token_budget, models)
        pad_id = models[0].pad_id
        key = (pad_id, None if lines is None else tuple(map(tuple, lines)), *map(id, rows))
        if key not in self._known:
            # With the rows themselves: the identity of one that is gone may come again.
            batch = collate(rows, pad_id=pad_id, lines=lines, shared=lines is not None)
            self._known[key] = rows, batch
        return self._known[key][1]

    def clear(self) -> None:
        """Forget what was laid out."""
        self._known = {}

    def _lines(
        self,
        rows: Sequence[Trainable],
        token_budget: int,
        models: Sequence[Policy],
        groups: Sequence[object] | None = None,
        *,
        spread: bool = False,
    ) -> list[list[int]] | None:
        """Return which rows share a line, None where each has its own.

        ``spread`` makes at least a line for each rank, if rows allow.
        """
        if not self._share or len(rows) < 2:
            return None
        least = 1
        if spread:
            least = -(-current().size // len({tuple(row.prompt) for row in rows}))
        hidden = min(_hidden(model) for model in models)
        lines = lines_of(rows, token_budget, hidden, groups, least=least)
        if all(len(line) == 1 for line in lines):
            return None
        row = max(_length(row) for row in rows)
        line = max(_filled([rows[i] for i in line]) for line in lines)
        return lines if all(model.reading.shares(row, line) for model in models) else None


def _length(row: Trainable) -> int:
    return len(row.prompt) + len(row.tokens)


def _filled(rows: Sequence[Trainable]) -> int:
    """Return the tokens of a line that rows of one prompt share."""
    return len(rows[0].prompt) + sum(len(row.tokens) for row in rows)


def _hidden(model: Policy) -> int:
    """Return the numbers that a model holds of a token; a usual one where its config is silent."""
    return int(getattr(model.causal_lm.config.get_text_config(), "hidden_size", None) or 768)
