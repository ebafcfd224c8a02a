"""Preference learning: every step shows the next pairs of a better and a worse answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.errors import DataError
from etude.feedback import RowRecord, Told
from etude.learner.clock import Clock
from etude.learner.dealing import cut, deal, merged
from etude.learner.drawing import draw_usable
from etude.learner.fitting import DemonstrationLimit
from etude.learner.forward import ForwardPass, forward
from etude.learner.interface import StepResult, Tree
from etude.learner.microbatch import MicroBatch, collate
from etude.learner.open_stage import OpenStage, StageLearner
from etude.learner.traits import learner
from etude.objective.loss import Metrics
from etude.objective.pairs import PairBatch, PairTotals, Side
from etude.randomness import seed_of
from etude.rows import Example

#: Where the state of the pair loss is kept, of one that has any.
PAIR_LOSS = "objective.pair_loss"


@dataclass(frozen=True)
class Answer:
    """An answer in its context, trained whole."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def loss_mask(self) -> list[int]:
        """Return 1 for every token of the answer."""
        return [1] * len(self.tokens)


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt."""

    example: Example
    chosen: Answer
    rejected: Answer

    @property
    def id(self) -> str:
        """Return the id of its row."""
        return self.example.id

    @property
    def record(self) -> RowRecord:
        """Return what live components hear of it."""
        return RowRecord.given(self.example, len(self.chosen.tokens) + len(self.rejected.tokens))


@learner(
    row="pair", sequences=2, example="recipe=per_step_negatives stages.dpo.objective={objective}"
)
class PreferenceLearner(StageLearner):
    """Trains a policy on pairs of answers, held to the model it started from where asked."""

    def __init__(self, stage: OpenStage) -> None:
        super().__init__(stage)
        self.objective = stage.parts.objective
        self.training = stage.parts.training
        self.policy = stage.policy
        self.reference = stage.roles.frozen("reference")
        limit = DemonstrationLimit(self.policy, self.training, ("chosen", "rejected"))
        stream = stage.open_stream(limit.fits)
        stage.steps = self.training.steps_over(stream.size)
        stage.open_trainee()
        self.dropped = 0

    def step(self, step: int) -> StepResult:
        """Show the next ``rows_per_step`` pairs with one update."""
        clock = Clock()
        dropped = self.dropped
        with clock.phase("data"):
            pairs = self._draw(step)
        sides = [side for pair in pairs for side in (pair.chosen, pair.rejected)]
        lengths = [len(side.prompt) + len(side.tokens) for side in sides]
        owners = [row // 2 for row in range(len(sides))]
        micro = cut(lengths, self.stage.execution.micro_batch_tokens, owners)
        totals = PairTotals(
            pairs=len(pairs),
            chosen_tokens=sum(len(pair.chosen.tokens) for pair in pairs),
            rejected_tokens=sum(len(pair.rejected.tokens) for pair in pairs),
            micro_batches=len(micro),
        )
        metrics: Metrics = {}
        with clock.phase("update"):
            parts = [sorted({owners[row] for row in rows}) for rows in micro]
            losses = self._losses(pairs, parts, totals, step, metrics)
            done = self.stage.trainee.update(losses, step)
        values = {name: metric.value() for name, metric in merged(metrics).items()}
        self.stage.after_update(step, 0, done | values)
        counts = {
            "tokens": float(totals.chosen_tokens + totals.rejected_tokens),
            "pairs/dropped": float(self.dropped),
        }
        told = Told(
            rows=[pair.record for pair in pairs],
            trained=len(pairs),
            dropped=self.dropped - dropped,
        )
        return StepResult({**done, **values, **counts}, [], clock.timing(sum(lengths)), told)

    def _draw(self, step: int) -> list[Pair]:
        """Return the next pairs; those that say nothing or do not fit are left out."""
        pairs, left_out = draw_usable(
            self.stage.stream,
            self.training.rows_per_step,
            self._pair,
            f"step {step}: no pair can be used: their answers are empty, equal, or longer "
            f"than training.max_length={self.training.max_length} allows",
        )
        self.dropped += left_out
        return pairs

    def _pair(self, example: Example) -> Pair | None:
        """Return a row as a pair; None for an empty answer, equal ones, or one that is too long."""
        chosen, rejected = (self._side(example, name) for name in ("chosen", "rejected"))
        if chosen is None or rejected is None or chosen.tokens == rejected.tokens:
            return None
        return Pair(example, chosen, rejected)

    def _side(self, example: Example, name: str) -> Answer | None:
        """Return one answer of a row, None when it is empty or dropped for its length."""
        text = example.columns.get(name)
        if text is None:
            raise DataError(
                f"row {example.id} has no column '{name}'; a row of pairs has a chosen and a "
                f"rejected answer (sources.NAME.columns.{name}=COLUMN)"
            )
        prompt = self.policy.encode_example(example)
        goes_on = example.columns.get(f"{name}_open")
        encode = self.policy.encode_text if goes_on else self.policy.encode_response
        tokens = encode(str(text), example)
        room = self.training.max_length - len(prompt)
        if len(tokens) > room:
            if self.training.too_long == "refuse":
                raise DataError(
                    f"the {name} answer of row {example.id} is {len(prompt) + len(tokens)} tokens "
                    f"long with its prompt, more than training.max_length="
                    f"{self.training.max_length}; raise it, or type training.too_long=drop "
                    "(a cut answer may no longer deserve its label: training.too_long=cut)"
                )
            tokens = () if self.training.too_long == "drop" else tokens[: max(room, 0)]
        return Answer(prompt, tokens) if tokens else None

    def _losses(
        self,
        pairs: Sequence[Pair],
        parts: list[list[int]],
        totals: PairTotals,
        step: int,
        metrics: Metrics,
    ) -> Iterator[Tensor]:
        """Yield the loss of each micro-batch of whole pairs of this rank.

        The sum of all ranks' is the loss of the step.
        """
        for turn in deal(parts):
            part = turn.rows
            rows = [pairs[i].chosen for i in part] + [pairs[i].rejected for i in part]
            batch = collate(rows, pad_id=self.policy.pad_id).to(self.policy.device)
            passed = forward(self.policy, batch)
            # The same rows side by side: at the start both models give the same bits.
            reference = self._reference_logprobs(batch)
            chosen, rejected = (
                Side(
                    Half(passed, half),
                    batch.mask[half],
                    None if reference is None else reference[half],
                )
                for half in (slice(0, len(part)), slice(len(part), None))
            )
            seeds = [seed_of("pair", self.stage.seed, step, pairs[i].id) >> 1 for i in part]
            small = PairBatch(
                chosen, rejected, torch.tensor(seeds), totals, step=step, steps=self.stage.steps
            )
            loss = self.objective.loss(small, self.stage.live.get(PAIR_LOSS))
            yield turn.loss(loss.total, loss.metrics, metrics)

    def _reference_logprobs(self, batch: MicroBatch) -> Tensor | None:
        if self.reference is None:
            return None
        with torch.no_grad():
            return forward(self.reference, batch).logprobs

    def state_dict(self) -> Tree:
        """Return how many pairs were left out."""
        return {"dropped": self.dropped}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.dropped = state["dropped"]


class Half:
    """The chosen or the rejected rows of a forward pass over both."""

    def __init__(self, passed: ForwardPass, rows: slice) -> None:
        self._pass = passed
        self._rows = rows

    @property
    def logprobs(self) -> Tensor:
        """Return the log-probs of the response tokens, ``[P, T]``."""
        return self._pass.logprobs[self._rows]

    def entropy(self) -> Tensor:
        """Return the entropy of every next-token distribution, ``[P, T]``."""
        return self._pass.entropy()[self._rows]

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[m, V]`` → ``[m]``) at every token, ``[P, T]``."""
        return self._pass.statistic(of)[self._rows]

    def logits(self) -> Tensor:
        """Return the logits, ``[P, T, V]``."""
        return self._pass.logits()[self._rows]

    def across(self, of: Callable[[Tensor, slice], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[P, c, V]`` of some positions → ``[P, c]``), ``[P, T]``."""

        def half(logits: Tensor, columns: slice) -> Tensor:
            found = of(logits[self._rows], columns)
            whole = found.new_zeros(logits.shape[:2])
            mine = torch.arange(len(whole), device=found.device)[self._rows]
            return whole.index_copy(0, mine, found)

        return self._pass.across(half)[self._rows]
