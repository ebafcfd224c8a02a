"""A forward pass over a micro-batch: log-probs of the trained tokens, and more only when asked.

The decoder runs over all tokens; the output matrix only over the positions that predict a trained
token, so logits are ``[M, V]`` and never ``[N, S, V]``. With a large vocabulary even those are cut
into chunks, whose logits are computed again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from etude.distributed.world import current
from etude.errors import ModelError
from etude.learner.dealing import deal
from etude.learner.layout import Layout
from etude.learner.microbatch import MicroBatch, Trainable
from etude.model.policy import Policy
from etude.model.reading import read_apart
from etude.primitives.distribution import STATISTICS, entropy_of

#: Logits held at once, in elements; more are computed in chunks.
CHUNK = 1 << 26


def forward(
    policy: Policy, batch: MicroBatch, temperature: float = 1.0, *, chunk: int = CHUNK
) -> ForwardPass:
    """Run ``batch`` through the policy; log-probs are those of logits ÷ ``temperature``.

    Everything is 0 at tokens that are not trained. ``chunk`` is the number of logits held at once.
    Raises ValueError for a temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"log-probs need a temperature above 0, not {temperature}")
    batch = batch.to(policy.device)
    with policy.precision():
        states = read(policy, batch, policy.states)
    needed = states.flatten(0, 1).index_select(0, batch.sources)
    return ForwardPass(policy, batch, needed, temperature, chunk)


def read(policy: Policy, batch: MicroBatch, run: Callable[..., Tensor]) -> Tensor:
    """Return what ``run``, which takes a model's inputs, gives for a batch, ``[B, S, ·]``.

    Every row has the numbers it would have alone, whatever the model makes of padding and packing.
    Raises ModelError where ranks share a model that does not take rows of these lengths together.
    """
    reading = policy.reading
    if batch.segments is not None:
        beside = reading.shared(batch.positions, batch.segments)
        return run(input_ids=batch.ids, use_cache=False, **beside)
    if batch.packed:
        return run(input_ids=batch.ids, use_cache=False, **reading.packed(batch.positions))
    if reading.pads(batch.lengths):
        return run(input_ids=batch.ids, use_cache=False)
    if policy.shards is not None:
        raise ModelError(
            f"{policy.name} reads rows of {min(batch.lengths)} and of {max(batch.lengths)} tokens "
            "otherwise together than alone, and ranks that share its weights cannot read them one "
            "by one; type resources.tasks_per_node=1"
        )
    return read_apart(run, batch.ids, batch.lengths)


def measure(
    policy: Policy,
    rows: Sequence[Trainable],
    names: Sequence[str],
    *,
    temperature: float = 1.0,
    token_budget: int,
    chunk: int = CHUNK,
    layout: Layout | None = None,
) -> dict[str, list[list[float]]]:
    """Return, without gradient, numbers of each row's tokens by name, 0 where it is not trained.

    A name is ``logprobs`` or one of ``primitives.distribution.STATISTICS``. Nothing is dropped out,
    so the numbers are those of the model that samples. All ranks ask together, for the same rows;
    each measures some of them. ``layout`` remembers its micro-batches; with None each row has a
    line of its own.
    """
    mine: dict[str, dict[int, list[float]]] = {name: {} for name in names}
    layout = layout or Layout()
    with torch.no_grad(), policy.measuring():
        for turn in deal(layout.cut(rows, token_budget, policy)):
            batch = layout([rows[i] for i in turn.rows], token_budget, policy)
            passed = forward(policy, batch, temperature, chunk=chunk)
            for name in names if turn.counts else ():
                of = STATISTICS.get(name)
                numbers = passed.logprobs if of is None else passed.statistic(of)
                for i, line in zip(turn.rows, numbers.tolist(), strict=True):
                    mine[name][i] = line[: len(rows[i].tokens)]
    found: dict[str, dict[int, list[float]]] = {name: {} for name in names}
    for hand in current().gather(mine):
        for name in names:
            found[name] |= hand[name]
    return {name: [found[name][i] for i in range(len(rows))] for name in names}


def score(
    policy: Policy,
    rows: Sequence[Trainable],
    *,
    temperature: float = 1.0,
    token_budget: int,
    chunk: int = CHUNK,
    layout: Layout | None = None,
) -> list[list[float]]:
    """Return, without gradient, the log-probs of each row's response, 0 where it is not trained."""
    found = measure(
        policy,
        rows,
        ["logprobs"],
        temperature=temperature,
        token_budget=token_budget,
        chunk=chunk,
        layout=layout,
    )
    return found["logprobs"]


class ForwardPass:
    """What an objective asks of a forward pass; what is not asked for is not computed.

    ``states [M, ·]`` are the decoder's at the positions that predict the M trained tokens.
    """

    def __init__(
        self, policy: Policy, batch: MicroBatch, states: Tensor, temperature: float, chunk: int
    ) -> None:
        self._policy = policy
        self._batch = batch
        self._states = states
        self._temperature = temperature
        self._rows = max(1, chunk // policy.causal_lm.config.get_text_config().vocab_size)

    @cached_property
    def logprobs(self) -> Tensor:
        """Return the log-probs of the trained response tokens, with gradient, ``[N, T]``."""
        targets = self._batch.targets.view(-1)[self._batch.places]
        return self._spread(self._map(_logprob, targets))

    def entropy(self) -> Tensor:
        """Return the entropy, nats, of the distribution each token came from, ``[N, T]``."""
        return self.statistic(entropy_of)

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[m, V]`` ÷ temperature → ``[m]``) at every token, ``[N, T]``."""
        return self._spread(self._map(lambda logits, _: of(logits), None))

    def logits(self) -> Tensor:
        """Return the logits ÷ temperature ``[N, T, V]``, 0 at tokens that are not trained."""
        return self._spread(self._whole if self._fits else self._logits(self._states))

    def across(self, of: Callable[[Tensor, slice], Tensor]) -> Tensor:
        """Return ``of`` (logits ÷ temperature ``[N, c, V]`` of some positions → ``[N, c]``).

        As many positions at a time as :data:`CHUNK` allows; tokens that are not trained have logits
        0. The logits are computed again in the backward pass.
        """
        rows, width = self._batch.targets.shape
        row, column = self._batch.places // width, self._batch.places % width

        def part(states: Tensor, places: Tensor, columns: slice) -> Tensor:
            logits = self._logits(states)
            count = columns.stop - columns.start
            empty = logits.new_zeros(rows * count, logits.shape[-1])
            return of(empty.index_copy(0, places, logits).view(rows, count, -1), columns)

        found = []
        step = max(1, self._rows // rows)
        for start in range(0, width, step):
            columns = slice(start, min(start + step, width))
            here = ((column >= start) & (column < columns.stop)).nonzero().squeeze(-1)
            places = row[here] * (columns.stop - start) + column[here] - start
            if torch.is_grad_enabled():
                states = self._states[here]
                found.append(checkpoint(part, states, places, columns, use_reentrant=False))
            else:
                found.append(part(self._states[here], places, columns))
        return torch.cat(found, 1) if found else self._states.new_zeros(rows, 0)

    def read(self, head: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``head`` (decoder states ``[M, ·]`` → ``[M, m]``) at every token, ``[N, T, m]``.

        The states are what :meth:`Policy.states` gives: hidden ones only where its head is plain.
        """
        return self._spread(head(self._states))

    @property
    def _fits(self) -> bool:
        return self._states.shape[0] <= self._rows

    @cached_property
    def _whole(self) -> Tensor:
        """Return the logits of all trained tokens; kept, as several things are read from it."""
        return self._logits(self._states)

    def _logits(self, states: Tensor) -> Tensor:
        with self._policy.precision():
            logits = self._policy.logits_of(states)
        if logits.dtype != torch.float64:
            logits = logits.float()
        return logits if self._temperature == 1.0 else logits / self._temperature

    def _map(self, read: Callable[[Tensor, Tensor | None], Tensor], extra: Tensor | None) -> Tensor:
        """Return ``read(logits, extra)`` of the trained tokens ``[M]``, in chunks if many."""
        if self._fits:
            return read(self._whole, extra)

        def part(states: Tensor, extra: Tensor | None) -> Tensor:
            return read(self._logits(states), extra)

        found = []
        for start in range(0, self._states.shape[0], self._rows):
            states = self._states[start : start + self._rows]
            own = None if extra is None else extra[start : start + self._rows]
            if torch.is_grad_enabled():
                found.append(checkpoint(part, states, own, use_reentrant=False))
            else:
                found.append(part(states, own))
        return torch.cat(found)

    def _spread(self, values: Tensor) -> Tensor:
        return spread(values, self._batch)


def spread(values: Tensor, batch: MicroBatch) -> Tensor:
    """Return ``values [M, …]`` of the trained tokens at their places, 0 elsewhere."""
    shape, rest = batch.targets.shape, values.shape[1:]
    empty = values.new_zeros(shape.numel(), *rest)
    return empty.index_copy(0, batch.places, values).view(*shape, *rest)


def _logprob(logits: Tensor, targets: Tensor | None) -> Tensor:
    assert targets is not None  # narrows the type; _map hands on what it was given
    return -F.cross_entropy(logits, targets, reduction="none")
