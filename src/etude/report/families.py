"""Under which heading a metric is drawn, and which metrics share a chart; by their names alone."""

from __future__ import annotations

from dataclasses import dataclass

from etude.view.steering import PLACES


@dataclass(frozen=True)
class Family:
    """A heading and what is drawn under it: groups of metrics, each by a pattern.

    Metrics of one group share a chart where one curve each is drawn.
    """

    title: str
    groups: tuple[str, ...]
    leads: bool = False
    folded: bool = False


#: The loss leads where nothing is rewarded; among rewards its value says little.
LOSS = "loss"

_OTHERS = r"(?P<own>(?:data_mix|training|models)/.+)"

FAMILIES = (
    Family("Learning", ("reward/mean", LOSS, "verifier/correct"), leads=True),
    Family(
        "Reward parts", (r"reward/(?P<part>.+)/(?:raw|weighted)", r"reward/(?P<part>.+)/weight")
    ),
    Family(
        "Steering",
        (
            *(rf"{place}(?P<own>.+)" for place in PLACES),
            r"(?P<own>(?:data_mix|training|models)/.+)",
        ),
    ),
    Family(
        "Policy",
        (
            "policy/entropy",
            r"(?P<kl>(?!mismatch/)[^ ]*(?:^|[/_])kl(?:$|[/_])[^ ]*)",
            r"objective/(?:dual_)?clip_fraction.*",
            "gradient_norm",
            "learning_rate",
            "(?:loss)",
        ),
    ),
    Family(
        "Answers",
        (
            "rollout/length(?:_correct|_wrong|_finished)?",
            "rollout/truncated",
            "groups/(?:signal|all_correct|none_correct|pass@n)",
            r"(?P<own>(?:guidance|demonstrations|hints)/.+)",
        ),
    ),
    Family("Sampler and trainer", (r"(?P<own>mismatch/.+)", "objective/rollout_weight")),
    Family("Verifier", ("verifier/(?!tokens|asked|correct).*", "timing/seconds/verifier_.*")),
    Family("Time and memory", ("timing/seconds(?:/(?!verifier).*)?", r"timing/(?P<own>.+)")),
    Family("Everything else", (r"(?P<own>.+)",), folded=True),
)
