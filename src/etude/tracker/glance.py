"""What people look at first, under names that sort to the top of a tracker's page.

Trackers make a panel of every number they are given, in sections by what stands before the first
slash and, within one, by name. The few that tell how a run fares are therefore given twice: under
their own names, and as ``at_a_glance/1_reward`` and the like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SECTION = "at_a_glance"

#: Pattern of a metric → its name at a glance, in the order of their numbers.
_FIRST: tuple[tuple[str, str], ...] = (
    ("reward/mean", "1_reward"),
    (r"reward/(?P<part>.+)/raw", "1_reward_part_{part}"),
    ("evaluation/((?P<of>.+)/)?(?P<metric>pass@1|accuracy)", "2_{of}{metric}"),
    ("groups/pass@n", "2_pass@n_in_training"),
    ("verifier/correct", "2_right_in_training"),
    ("groups/signal", "3_signal"),
    ("policy/entropy", "4_entropy"),
    (r"objective/(?P<kl>kl_(?!coef|cov_)[^/]+)", "5_{kl}"),
    ("gradient_norm", "5_gradient_norm"),
    ("rollout/length", "6_length"),
    ("rollout/truncated", "6_truncated"),
    ("timing/seconds", "7_seconds_a_step"),
    ("timing/tokens_per_second", "7_tokens_a_second"),
)
_RULES = tuple((re.compile(pattern), name) for pattern, name in _FIRST)
#: Where nothing is rewarded the loss leads.
_LOSS = "1_loss"


def at_a_glance(values: Mapping[str, float]) -> dict[str, float]:
    """Return those of some numbers that people look at first, as they are called there."""
    found = {}
    for key, value in values.items():
        name = _name(key)
        if key == "loss" and "reward/mean" not in values:
            name = _LOSS
        if name:
            found[f"{SECTION}/{name}"] = value
    return found


def _name(key: str) -> str:
    for pattern, name in _RULES:
        if (match := pattern.fullmatch(key)) is not None:
            parts = {part: text or "" for part, text in match.groupdict().items()}
            if parts.get("of"):
                parts["of"] += "_"
            return name.format(**parts).replace("/", "_")
    return ""
