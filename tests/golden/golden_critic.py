"""Building critics that classify from the keys of golden cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etude.objective.critic.loss.c51 import C51
from etude.objective.critic.loss.categorical import Categorical
from etude.objective.critic.loss.hl_gauss import HLGauss
from etude.objective.critic.loss.two_hot import TwoHot


def _support(config: Any) -> dict[str, Any]:
    return {key: config.take(key) for key in ("v_min", "v_max", "bins")}


def _hl_gauss(config: Any) -> HLGauss:
    return HLGauss(
        **_support(config),
        sigma_ratio=config.take("sigma_to_bin"),
        clip_targets=config.take("clamp_targets"),
    )


def _two_hot(config: Any) -> TwoHot:
    # Two-hot always clips and has no width.
    assert config.take("clamp_targets", True) is True
    assert config.take("sigma_to_bin", None) is None
    return TwoHot(**_support(config))


def _c51(config: Any) -> C51:
    return C51(**_support(config), gamma=config.take("gamma"))


LOSSES: dict[str, Callable[[Any], Categorical]] = {
    "hl_gauss": _hl_gauss,
    "two_hot": _two_hot,
    "c51": _c51,
}


def loss_of(config: Any) -> Categorical:
    """Return the loss that a case's config describes."""
    made: Categorical = config.choose("target", LOSSES)(config)
    return made
