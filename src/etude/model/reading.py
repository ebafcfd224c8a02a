"""How rows of several lengths go through a model together, each with the numbers it has alone.

Most causal models never look at what follows, so padding on the right is harmless, and most keep
packed rows apart by their positions. Some do not: a rotary embedding that switches with the longest
row, a state that is carried on, positions that are not asked for. So both are tried, on a few
tokens and on both sides of the lengths at which the model may change, before anything is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.errors import ModelError
from etude.model.agreement import agree
from etude.model.lengths import alone, consistent, sample_text, turning_points
from etude.model.tried import Tried

_SHORT = (9, 6, 4)

#: Prompts are not shared beyond a length at which a model may change and that is longer than this,
#: where it is not known beforehand how long rows will be: the trial would take too much.
_FAR = 4096

#: What models raise at inputs that they do not take.
_REFUSED = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Reading:
    """What is known of how one model reads rows that share a forward pass.

    Raises ModelError when it is made for a model that cannot be trained as a causal one.
    """

    def __init__(self, policy: Tried) -> None:
        self._policy = policy
        self._points = turning_points(policy.causal_lm.config)
        self._padded: dict[int, bool] = {}
        self._packed: dict[tuple[str, int], bool] = {}
        self._shared: dict[tuple[int, bool], bool] = {}
        self._how: str | None = None
        with torch.no_grad(), policy.measuring(), policy.precision():
            self._refuse()
            self._padded[0] = self._pads(_SHORT)

    def settle(self) -> None:
        """Find out all there is to know now: later, ranks would have to ask together."""
        self._shares_at(0, beyond=False)
        for point in self._points:
            self._pads_at(point)
            if point <= _FAR:
                for beyond in (False, True):
                    self._shares_at(point, beyond=beyond)

    def pads(self, lengths: Sequence[int]) -> bool:
        """Return whether rows of these lengths may be padded on the right and read together."""
        shortest, longest = min(lengths), max(lengths)
        if shortest == longest:
            return True
        crossed = [p for p in self._points if shortest <= p < longest]
        return self._padded[0] and all(self._pads_at(point) for point in crossed)

    def allow_packing(self, longest: int) -> None:
        """Find how packed rows of up to ``longest`` tokens are kept apart.

        Raises ModelError where they are not: each would be taught in the light of the one before.
        """
        points = [0, *(p for p in self._points if p < longest)]
        with torch.no_grad(), self._policy.measuring(), self._policy.precision():
            for how in ("positions", "mask"):
                if all(self._packs_at(how, point) for point in points):
                    self._how = how
                    return
        raise ModelError(
            f"{self._policy.name} lets rows that are packed into one sequence see each other, so "
            "each would be learned in the light of those before it; type training.packing=none"
        )

    def packed(self, positions: Tensor) -> Mapping[str, Any]:
        """Return the inputs beside its tokens that keep the rows of a packed batch apart.

        ``positions [B, S]`` start from 0 at every row. :meth:`allow_packing` was asked before.
        """
        if self._how is None:
            self.allow_packing(int(positions.max()) + 1)
        return self._inputs(str(self._how), positions)

    def shares(self, row: int, line: int) -> bool:
        """Return whether rows may stand behind one copy of the prompt that they share.

        Each has up to ``row`` tokens, prompt included, and together they take ``line`` at most. It
        takes a mask of our own: flash attention has none, and what does not go by it (states that
        are carried on, biases by distance) is found out by its numbers. Dropout draws for every
        copy of a prompt, so it is never shared then.
        """
        if not self._shares_at(0, beyond=False):
            return False
        return all(self._shares_at(p, beyond=p < row) for p in self._points if p < line)

    def shared(self, positions: Tensor, segments: Tensor) -> Mapping[str, Any]:
        """Return the inputs beside its tokens for lines of a prompt and responses to it.

        ``segments [B, S]`` are 0 at the prompt and tell the responses apart, of which each sees the
        prompt and itself.
        """
        mine, other = segments.unsqueeze(-1), segments.unsqueeze(-2)
        return self._masked(positions, ((mine == other) | (other == 0)).tril())

    # Trials --------------------------------------------------------------------------------

    def _refuse(self) -> None:
        """Raise ModelError for a model that is not causal, or that draws random numbers."""
        policy = self._policy
        try:
            causal = consistent(policy, 12, 7)
            text = sample_text(policy, 7)
            expected = alone(policy, text)
            with _training(policy.model):
                drawn = [alone(policy, text) for _ in range(2)]
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # What a model says to inputs that are not for it has no common type.
            raise ModelError(
                f"{policy.name} cannot be trained on plain text: {type(error).__name__}: "
                f"{str(error).strip().splitlines()[0] if str(error) else 'no reason given'}"
            ) from error
        if not causal:
            raise ModelError(
                f"{policy.name} is not causal: what it expects next changes with what follows, so "
                "it would learn to copy; choose a causal language model (some say is_decoder: true "
                "in their config.json)"
            )
        if not all(self._agree(states, expected) for states in drawn):
            raise ModelError(
                f"{policy.name} draws random numbers while it trains (a dropout or noise that "
                "cannot be switched off), so its log-probs are not those it samples with"
            )

    def _pads_at(self, point: int) -> bool:
        if point not in self._padded:
            if self._policy.shards is not None:
                return True  # settled before the weights were cut
            with torch.no_grad(), self._policy.measuring(), self._policy.precision():
                self._padded[point] = self._pads((point + 3, max(point - 2, 2), 4))
        return self._padded[point]

    def _pads(self, lengths: Sequence[int]) -> bool:
        texts = [sample_text(self._policy, length, 40 * i) for i, length in enumerate(lengths)]
        wide, pad = max(lengths), self._policy.pad_id
        ids = torch.tensor([[*t, *[pad] * (wide - len(t))] for t in texts])
        placed = [[(text, list(range(len(text))))] for text in texts]
        return self._same(ids.to(self._policy.device), {}, placed)

    def _packs_at(self, how: str, point: int) -> bool:
        key = (how, point)
        if key not in self._packed:
            lengths = (5, 7, 4) if not point else (4, point + 3, 5)
            texts = [sample_text(self._policy, length, 40 * i) for i, length in enumerate(lengths)]
            rows = [texts, texts[1:]]
            wide = sum(lengths)
            positions = [[p for t in row for p in range(len(t))] for row in rows]
            for line in positions:
                line += range(line[-1] + 1, line[-1] + 1 + wide - len(line))
            ids = [[token for text in row for token in text] for row in rows]
            ids = [[*line, *[self._policy.pad_id] * (wide - len(line))] for line in ids]
            starts = [[sum(map(len, row[:i])) for i in range(len(row))] for row in rows]
            placed = [
                [(text, list(range(at, at + len(text)))) for text, at in zip(row, own, strict=True)]
                for row, own in zip(rows, starts, strict=True)
            ]
            tokens, places = (torch.tensor(x).to(self._policy.device) for x in (ids, positions))
            self._packed[key] = self._same(tokens, self._inputs(how, places), placed)
        return self._packed[key]

    def _shares_at(self, point: int, *, beyond: bool) -> bool:
        """Return whether prompts may be shared in lines longer than ``point``.

        Rows are longer than it, too, or (not ``beyond``) shorter.
        """
        key = (point, beyond)
        if key not in self._shared:
            if self._policy.shards is not None:
                return False  # whatever may be asked was settled before the weights were cut
            with torch.no_grad(), self._policy.measuring(), self._policy.precision():
                never = self._takes_no_mask() or self._drops_out()
                self._shared[key] = not never and self._shares(point, beyond)
        return self._shared[key]

    def _takes_no_mask(self) -> bool:
        """Return whether attention is a kernel that would read places out of a mask of ours.

        On a GPU that is no error that could be caught.
        """
        return "flash" in str(self._policy.causal_lm.config._attn_implementation)

    def _drops_out(self) -> bool:
        found = (m for m in self._policy.model.modules() if isinstance(m, nn.Dropout))
        return any(module.p > 0 for module in found)

    def _shares(self, point: int, beyond: bool) -> bool:
        if not point:
            prompt, lengths = 6, (5, 7, 3)
        elif beyond:
            prompt, lengths = max(point - 2, 2), (5, 7, 4)
        else:
            prompt, lengths = max(point // 2, 2), (max(point // 3, 2),) * 3
        device, policy = self._policy.device, self._policy
        lines = []
        for number, own in enumerate((lengths, lengths[1:])):
            texts = [sample_text(policy, n, 40 * i + 7) for i, n in enumerate(own)]
            lines.append((sample_text(policy, prompt, 150 * number), texts))
        wide = prompt + sum(lengths)
        ids = torch.full((2, wide), policy.pad_id)
        positions, segments = torch.zeros_like(ids), torch.full_like(ids, len(lengths) + 1)
        placed: list[list[tuple[list[int], list[int]]]] = []
        for number, (head, texts) in enumerate(lines):
            ids[number, :prompt] = torch.tensor(head)
            positions[number, :prompt] = torch.arange(prompt)
            segments[number, :prompt] = 0
            column, found = prompt, []
            for place, text in enumerate(texts):
                end = column + len(text)
                ids[number, column:end] = torch.tensor(text)
                positions[number, column:end] = torch.arange(prompt, prompt + len(text))
                segments[number, column:end] = place + 1
                found.append(([*head, *text], [*range(prompt), *range(column, end)]))
                column = end
            placed.append(found)
        beside = self.shared(positions.to(device), segments.to(device))
        return self._same(ids.to(device), beside, placed)

    def _same(
        self,
        ids: Tensor,
        beside: Mapping[str, Any],
        rows: Sequence[Sequence[tuple[list[int], list[int]]]],
    ) -> bool:
        """Return whether texts at columns of rows have the states they have alone."""
        try:
            states = self._policy.states(input_ids=ids, use_cache=False, **beside)
        except torch.OutOfMemoryError:
            raise
        except _REFUSED:
            # A model that does not take such inputs does not keep the rows apart by them.
            return False
        return all(
            self._agree(states[row, columns], alone(self._policy, text))
            for row, texts in enumerate(rows)
            for text, columns in texts
        )

    def _agree(self, mine: Tensor, expected: Tensor) -> bool:
        policy = self._policy
        last = slice(max(0, len(expected) - 16), None)
        ours, theirs = (policy.logits_of(states[last]) for states in (mine, expected))
        return agree(ours, theirs, policy.compute_dtype)

    def _inputs(self, how: str, positions: Tensor) -> dict[str, Any]:
        if how == "positions":
            return {"position_ids": positions}
        row = (positions == 0).cumsum(-1)
        return self._masked(positions, (row.unsqueeze(-1) == row.unsqueeze(-2)).tril())

    def _masked(self, positions: Tensor, seen: Tensor) -> dict[str, Any]:
        """Return positions, and what each sees ``[B, S, S]`` (True) as a mask that is added."""
        dtype = self._policy.compute_dtype
        mask = torch.zeros(seen.shape, dtype=dtype, device=positions.device)
        mask = mask.masked_fill(~seen, torch.finfo(dtype).min).unsqueeze(1)
        return {"position_ids": positions, "attention_mask": mask}


def read_apart(run: Any, ids: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the states ``[B, S, ·]`` of rows that may not be padded: those of a length together.

    ``run`` takes the inputs of the model; states beyond a row's length are 0.
    """
    found: dict[int, Tensor] = {}
    for length in sorted(set(lengths)):
        rows = [row for row, own in enumerate(lengths) if own == length]
        states = run(input_ids=ids[rows, :length], use_cache=False)
        found |= zip(rows, F.pad(states, (0, 0, 0, ids.shape[1] - length)), strict=True)
    return torch.stack([found[row] for row in range(len(lengths))])


@contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    """Let a model do what it does in training for the block, but for dropout by modules."""
    before = {module: module.training for module in model.modules()}
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training
