"""Supervised learning: every step teaches the next demonstrations of the mix, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from etude.distributed.dealing import cut, deal, merged
from etude.errors import DataError, ModelError
from etude.learner.clock import Clock
from etude.learner.drawing import draw_usable
from etude.learner.forward import forward
from etude.learner.interface import StepResult, Tree
from etude.learner.make import StageContext
from etude.learner.microbatch import MicroBatch, collate
from etude.learner.packing import TokenRow, bins
from etude.learner.parts import StageParts
from etude.learner.trainee import Trainee
from etude.model.policy import Policy
from etude.objective.batch import SupervisedBatch, Totals
from etude.objective.loss import Metrics
from etude.objective.supervised import loss_mask_of
from etude.rows import Example, Row


@dataclass(frozen=True)
class Piece:
    """A demonstration, or a part of one that packing cut: what goes into a line of tokens."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    loss_mask: Sequence[int]
    weights: Sequence[float]

    @classmethod
    def of(cls, row: TokenRow) -> Piece:
        """Return a packed piece as a context of one token and the tokens that follow it.

        Mask and weights of a :class:`TokenRow` stand at the position that predicts; here they stand
        at the predicted token.
        """
        return cls(
            tuple(row.tokens[:1]), tuple(row.tokens[1:]), list(row.mask[:-1]), row.weights[:-1]
        )

    @property
    def weight(self) -> float:
        """Return the summed weights of the tokens that are taught."""
        return sum(w for w, taught in zip(self.weights, self.loss_mask, strict=True) if taught)


class Demonstrations:
    """A forward pass over demonstrations, with other models' beside it when they are asked for."""

    def __init__(
        self, policy: Policy, batch: MicroBatch, reference: Policy | None, teacher: Policy | None
    ) -> None:
        self._pass = forward(policy, batch)
        self._others = {"reference": reference, "teacher": teacher}
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
        model = self._others[role]
        if model is None:
            raise ModelError(f"a loss asks for the model {role} and models.{role} is null")
        with torch.no_grad():
            return forward(model, self._batch).logits()


class SupervisedLearner:
    """Trains a policy on demonstrations."""

    def __init__(self, parts: StageParts, context: StageContext) -> None:
        self.parts = parts
        self.context = context
        self.objective = parts.objective
        self.training = parts.training
        self.policy = parts.policy(context.start, context.seed)
        self.reference = parts.reference(context)
        self.teacher = _of_one_tokenizer(parts.frozen("teacher", context), self.policy)
        self.stream = parts.data_mix.open(parts.sources, context.seed, context.data)
        self.steps: int = parts.training.steps_over(self.stream.size)
        self.trainee = Trainee(
            self.policy,
            parts.optimizer,
            self.steps,
            parts.training.gradient_clip,
            context.seed,
        )
        self.dropped = 0
        self.anchor: list[Tensor] = []
        if self.objective.anchor_coef > 0:
            self.anchor = [p.detach().clone() for p in self.policy.own_parameters()]

    def step(self, step: int) -> StepResult:
        """Teach the next ``rows_per_step`` demonstrations with one update."""
        clock = Clock()
        with clock.phase("data"):
            rows = self._draw(step)
        lines = self._lines(rows)
        lengths = [sum(len(piece.prompt) + len(piece.tokens) for piece in line) for line in lines]
        micro = cut(lengths, self.parts.execution.micro_batch_tokens)
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
            done = self.trainee.update(self._losses(lines, micro, totals, metrics), step)
        values = {name: metric.value() for name, metric in merged(metrics).items()}
        counts = {"tokens": float(trained), "rows/dropped": float(self.dropped)}
        counts |= self.stream.findings.filtered
        tokens = sum(len(row.prompt) + len(row.tokens) for row in rows)
        return StepResult({**done, **values, **counts}, [], clock.timing(tokens))

    def _draw(self, step: int) -> list[Row]:
        """Return the next demonstrations as rows; those too long are treated as configured."""
        rows, left_out = draw_usable(
            self.stream,
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
        response = self.policy.encode_response(example.response)
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
            response = response[:room]
        return Row(
            prompt_id=example.id,
            index=0,
            prompt=prompt,
            tokens=response,
            loss_mask=[1] * len(response),
            example=example,
        )

    def _lines(self, rows: Sequence[Row]) -> list[list[Piece]]:
        """Return what shares each line of tokens: single rows, or pieces as packing places them."""
        weights = self._weights(rows)
        if self.training.packing == "none":
            return [
                [Piece(row.prompt, row.tokens, row.loss_mask, own)]
                for row, own in zip(rows, weights, strict=True)
            ]
        whole = [
            TokenRow(
                (*row.prompt, *row.tokens),
                loss_mask_of(len(row.prompt), len(row.tokens)),
                (*[1.0] * (len(row.prompt) - 1), *own, 1.0) if own else (),
            )
            for row, own in zip(rows, weights, strict=True)
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

    def _losses(
        self,
        lines: list[list[Piece]],
        micro: list[list[int]],
        totals: Totals,
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
            passed = Demonstrations(self.policy, batch, self.reference, self.teacher)
            taught = SupervisedBatch(batch.targets, batch.mask, totals, _placed(pieces, batch))
            loss = self.objective.loss(taught, passed)
            yield turn.loss(loss.total, loss.metrics, metrics)
        if self.objective.anchor_coef > 0:
            yield self.objective.anchor(self.policy.own_parameters(), self.anchor)

    def evaluate(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure the policy as it stands on the held-out rows; changes no state."""
        return self.parts.evaluate(self.policy.replica(), self.context)

    def state_dict(self) -> Tree:
        """Return all that a resumed stage needs."""
        return {
            "trainee": self.trainee.state_dict(),
            "stream": self.stream.state_dict(),
            "dropped": self.dropped,
            "anchor": self.policy.mark(self.anchor),
        }

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.trainee.load_state_dict(state["trainee"])
        self.stream.load_state_dict(state["stream"])
        self.dropped = state["dropped"]
        self.anchor = self.policy.unmark(state["anchor"])

    def export(self, folder: Path) -> None:
        """Write the trained model in Hugging Face format to ``folder/model``."""
        self.policy.save(folder / "model")

    def close(self) -> None:
        """Nothing outlives a supervised stage."""


def _placed(pieces: Sequence[Piece], batch: MicroBatch) -> Tensor | None:
    """Return the weights of the pieces' tokens, ``[N, T]``, None where they have none."""
    if not any(piece.weights for piece in pieces):
        return None
    weights = torch.zeros(batch.targets.shape)
    for row, piece in enumerate(pieces):
        weights[row, : len(piece.weights)] = torch.tensor(piece.weights)
    return weights.to(batch.targets.device)


def _of_one_tokenizer(teacher: Policy | None, policy: Policy) -> Policy | None:
    """Return the teacher; raises ModelError where its tokens mean something else."""
    if teacher is not None and teacher.tokenizer.get_vocab() != policy.tokenizer.get_vocab():
        raise ModelError(
            f"models.teacher={teacher.name} has another tokenizer than {policy.name}, so their "
            "distributions cannot be compared; sample its answers instead (objective=generate) and "
            "learn those (objective.token_loss.alpha=0)"
        )
    return teacher
