"""Supervised learning: every step teaches the next demonstrations of the mix, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from etude.errors import DataError, ModelError
from etude.feedback import RowRecord, Told
from etude.learner.clock import Clock
from etude.learner.dealing import cut, deal, merged
from etude.learner.drawing import draw_usable
from etude.learner.fitting import DemonstrationLimit
from etude.learner.forward import forward
from etude.learner.interface import StepResult, Tree
from etude.learner.microbatch import MicroBatch, collate
from etude.learner.open_stage import OpenStage, StageLearner
from etude.learner.packing import Piece, TokenRow, bins
from etude.learner.sample_weights import samples_of, scales_of
from etude.learner.traits import learner
from etude.model.policy import Policy
from etude.model.taught_text import taught_tokens
from etude.objective.batch import SupervisedBatch, Totals
from etude.objective.loss import Metrics
from etude.rows import POLICY, Example, Row


class SupervisedForward:
    """A forward pass over demonstrations, with other models' beside it when they are asked for."""

    def __init__(self, policy: Policy, batch: MicroBatch, others: Mapping[str, Policy]) -> None:
        self._pass = forward(policy, batch)
        self._others = others
        self._batch = batch

    @property
    def logprobs(self) -> Tensor:
        """Return the log-probs of the labels, ``[N, T]``."""
        return self._pass.logprobs

    def entropy(self) -> Tensor:
        """Return the entropy of every next-token distribution, ``[N, T]``."""
        return self._pass.entropy()

    def logits(self) -> Tensor:
        """Return the logits, ``[N, T, V]``."""
        return self._pass.logits()

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[m, V]`` → ``[m]``) at every token, ``[N, T]``."""
        return self._pass.statistic(of)

    def across(self, of: Callable[[Tensor, slice], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[N, c, V]`` of some positions → ``[N, c]``), ``[N, T]``."""
        return self._pass.across(of)

    def reference_logits(self) -> Tensor:
        """Return the frozen reference model's logits, ``[N, T, V]``; raises without a reference."""
        return self._logits_of("reference")

    def teacher_logits(self) -> Tensor:
        """Return the frozen teacher's logits, ``[N, T, V]``; raises without a teacher."""
        return self._logits_of("teacher")

    def _logits_of(self, role: str) -> Tensor:
        if role not in self._others:
            raise ModelError(f"a loss reads the model {role}, and no part of the objective asks it")
        with torch.no_grad():
            return forward(self._others[role], self._batch).logits()


@learner(
    row="demonstration", example="recipe=sft objective={objective}", next=("recipe=sft_then_rl",)
)
class SupervisedLearner(StageLearner):
    """Trains a policy on demonstrations."""

    def __init__(self, stage: OpenStage) -> None:
        super().__init__(stage)
        self.objective = stage.parts.objective
        self.training = stage.parts.training
        self.policy = stage.policy
        if self.training.packing != "none":
            self.policy.reading.allow_packing(self.training.max_length)
        limit = DemonstrationLimit(self.policy, self.training)
        stream = stage.open_stream(limit.fits)
        stage.steps = self.training.steps_over(stream.size)
        stage.open_trainee()
        self.dropped = 0
        self.anchor: list[Tensor] = []
        if self.objective.anchor_coef > 0:
            self.anchor = [p.detach().clone() for p in self.policy.own_parameters()]

    def step(self, step: int) -> StepResult:
        """Teach the next ``rows_per_step`` demonstrations with one update."""
        clock = Clock()
        dropped = self.dropped
        with clock.phase("data"):
            rows = self._draw(step)
        lines = self._lines(rows)
        lengths = [sum(len(piece.prompt) + len(piece.tokens) for piece in line) for line in lines]
        micro = cut(lengths, self.stage.execution.micro_batch_tokens)
        pieces = [piece for line in lines for piece in line]
        trained = sum(sum(piece.loss_mask) for piece in pieces)
        weighted = any(piece.weights for piece in pieces)
        totals = Totals(
            tokens=trained,
            rows=sum(1 for piece in pieces if any(piece.loss_mask)),
            width=self.training.max_length,
            all_rows=len(pieces),
            micro_batches=len(micro),
            weight=sum(piece.weight for piece in pieces) if weighted else float(trained),
        )
        metrics: Metrics = {}
        with clock.phase("update"):
            scales, weighed = self._scales(rows, pieces, step)
            losses = self._losses(lines, micro, totals, scales, metrics)
            done = self.stage.trainee.update(losses, step)
        values = {name: metric.value() for name, metric in merged(metrics).items()}
        self.stage.after_update(step, 0, done | values)
        counts = {"tokens": float(trained), "rows/dropped": float(self.dropped)}
        counts |= self.stage.stream.findings.filtered
        counts |= weighed
        tokens = sum(len(row.prompt) + len(row.tokens) for row in rows)
        told = Told(
            rows=[RowRecord.given(row.example, len(row.tokens)) for row in rows],
            trained=len(rows),
            dropped=self.dropped - dropped,
        )
        return StepResult({**done, **values, **counts}, [], clock.timing(tokens), told)

    def _draw(self, step: int) -> list[Row]:
        """Return the next demonstrations as rows; those too long are treated as configured."""
        rows, left_out = draw_usable(
            self.stage.stream,
            self.training.rows_per_step,
            self._row,
            f"step {step}: no demonstration fits in training.max_length="
            f"{self.training.max_length}; a larger training.max_length, or "
            "training.too_long=cut, keeps some",
        )
        self.dropped += left_out
        return rows

    def _row(self, example: Example) -> Row | None:
        """Return a demonstration as a row, or None when it is dropped for its length."""
        if example.response is None:
            raise DataError(
                f"row {example.id} has nothing to teach: data_mix.response_template is null; type "
                "data_mix.response_template='{solution}' (or another column)"
            )
        prompt = self.policy.encode_example(example)
        response, mask = taught_tokens(self.policy, example)
        room = self.training.max_length - len(prompt)
        if len(response) > room:
            if self.training.too_long == "drop" or (self.training.too_long == "cut" and room < 1):
                return None
            if self.training.too_long == "refuse":
                raise DataError(
                    f"row {example.id} is {len(prompt) + len(response)} tokens long, more than "
                    f"training.max_length={self.training.max_length}; raise it, or type "
                    "training.too_long=drop or training.too_long=cut"
                )
            response, mask = response[:room], mask[:room]
        if self.objective.learn_prompt:
            mask = [*[1] * (len(prompt) - 1), *mask]
            prompt, response = prompt[:1], (*prompt[1:], *response)
        return Row(
            prompt_id=example.id,
            index=0,
            prompt=prompt,
            tokens=response,
            loss_mask=mask,
            example=example,
        )

    def _lines(self, rows: Sequence[Row]) -> list[list[Piece]]:
        """Return what shares each line of tokens: single rows, or pieces as packing places them."""
        weights = self._weights(rows)
        if self.training.packing == "none":
            return [
                [Piece(row.prompt, row.tokens, row.loss_mask, own, number)]
                for number, (row, own) in enumerate(zip(rows, weights, strict=True))
            ]
        whole = [
            TokenRow(
                (*row.prompt, *row.tokens),
                _predicting(row),
                (*[1.0] * (len(row.prompt) - 1), *own, 1.0) if own else (),
                number,
            )
            for number, (row, own) in enumerate(zip(rows, weights, strict=True))
        ]
        return [
            [Piece.of(piece) for piece in line]
            for line in bins(whole, self.training.packing, self.training.max_length)
        ]

    def _weights(self, rows: Sequence[Row]) -> list[Sequence[float]]:
        """Return the weights of each row's tokens; empty for all where no token is preferred."""
        weigh = self.objective.token_weights.weigh
        found = [weigh(row.tokens, row.example.columns, self.policy) for row in rows]
        if all(weights is None for weights in found):
            return [()] * len(rows)
        return [
            [1.0] * len(row.tokens) if weights is None else weights
            for row, weights in zip(rows, found, strict=True)
        ]

    def _scales(
        self, rows: Sequence[Row], pieces: Sequence[Piece], step: int
    ) -> tuple[Tensor | None, dict[str, float]]:
        """Return what multiplies the tokens of each demonstration, and numbers for the log.

        None where demonstrations count as the denominator says. A demonstration without a token
        that is trained counts nowhere.
        """
        part = self.objective.sample_weights
        if not part.active:
            return None, {}
        sizes = torch.zeros(len(rows), dtype=torch.float64)
        divides = self.objective.weights_divide
        for piece in pieces:
            weighed = divides and piece.weights
            sizes[piece.number] += piece.weight if weighed else sum(piece.loss_mask)
        state = self.stage.live.get("objective.sample_weights")
        budget = self.stage.execution.micro_batch_tokens
        keys = (self.stage.seed, step, self.stage.steps)
        samples = samples_of(rows, self.policy, keys, part.reads_losses and budget)
        return scales_of(part.weigh(samples, state), sizes)

    def _losses(
        self,
        lines: list[list[Piece]],
        micro: list[list[int]],
        totals: Totals,
        scales: Tensor | None,
        metrics: Metrics,
    ) -> Iterator[Tensor]:
        """Yield the loss of each micro-batch of this rank; all ranks' sum is that of the step."""
        for turn in deal(micro):
            part = turn.rows
            pieces = [piece for i in part for piece in lines[i]]
            numbers = iter(range(len(pieces)))
            shared = [[next(numbers) for _ in lines[i]] for i in part]
            packed = self.training.packing != "none"
            batch = collate(pieces, pad_id=self.policy.pad_id, lines=shared if packed else None)
            batch = batch.to(self.policy.device)
            passed = SupervisedForward(self.policy, batch, self.stage.roles.scored(POLICY))
            scale = None
            if scales is not None:
                scale = scales[[piece.number for piece in pieces]].to(batch.targets.device)
            own = _placed(pieces, batch)
            taught = SupervisedBatch(batch.targets, batch.mask, totals, own, scale)
            loss = self.objective.loss(taught, passed)
            yield turn.loss(loss.total, loss.metrics, metrics)
        if self.objective.anchor_coef > 0:
            yield self.objective.anchor(self.policy.own_parameters(), self.anchor)

    def state_dict(self) -> Tree:
        """Return how many rows were left out, and where the weights began."""
        return {"dropped": self.dropped, "anchor": self.policy.mark(self.anchor)}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.dropped = state["dropped"]
        self.anchor = self.policy.unmark(state["anchor"])


def _predicting(row: Row) -> list[int]:
    """Return a row's mask by position: 1 where what is predicted there, the next, is trained."""
    return [*[0] * (len(row.prompt) - 1), *row.loss_mask, 0]


def _placed(pieces: Sequence[Piece], batch: MicroBatch) -> Tensor | None:
    """Return the weights of the pieces' tokens, ``[N, T]``, None where they have none."""
    if not any(piece.weights for piece in pieces):
        return None
    weights = torch.zeros(batch.targets.shape)
    for row, piece in enumerate(pieces):
        weights[row, : len(piece.weights)] = torch.tensor(piece.weights)
    return weights.to(batch.targets.device)
