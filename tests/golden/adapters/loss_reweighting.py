"""Weights of demonstrations by their losses, and the loss of a step under them."""

from __future__ import annotations

from typing import Any

import torch

from etude.learner.sample_weights import scales_of
from etude.objective.sample_weights.by_loss import ByLoss
from etude.objective.sample_weights.kind import Samples

METHOD = "loss_reweighting"
CONFIG = {"strategy", "r"}
INPUTS = {"sample_losses"}


def run(case: Any) -> None:
    config = case.config
    part = ByLoss(
        strategy=config.take("strategy"), temperature=config.take("r"), delta=config.take("delta")
    )
    losses = case.inputs.tensor("sample_losses")
    count, shards = len(losses), config.take("shards")
    places = part.places(losses)
    case.check("normalised", places)
    case.check("strategy", part.scores(places))
    tokens = torch.ones(count, dtype=torch.int64)
    weights = part.weigh(Samples(losses, tokens, tokens, [{}] * count, 0, 1), None)
    case.check("weights", weights)
    own = losses.clone().requires_grad_()
    scales, _ = scales_of(weights, tokens.double())
    total = (scales * own).sum()
    total.backward()
    case.check("loss_global", total)
    case.check("grad_losses", own.grad)
    # A rank's share times the number of ranks, whose mean over ranks is the global loss.
    parts = [
        (w * x).sum() * shards
        for w, x in zip(scales.chunk(shards), losses.chunk(shards), strict=True)
    ]
    case.check("loss_per_shard", torch.stack(parts))
    given = case.inputs.take("sample_token_counts", None)
    if given is not None:
        # Their trainer also multiplies by a sample's share of the rank's tokens and by the rank's
        # number of samples; the README's form, without it, is what is trained here.
        shares = [n / n.sum() * len(n) for n in torch.tensor(given).double().chunk(shards)]
        found = [
            (share * w * x).sum() * shards
            for share, w, x in zip(shares, weights.chunk(shards), losses.chunk(shards), strict=True)
        ]
        case.check("trainer_variant_per_shard", torch.stack(found))
