"""What each objective's source says it does better, and which numbers would show it.

A claim is words and *signs*: a metric, the direction it is to move in, and what it is compared
with: another objective on the same task, or the model that training began with (``before``). A sign
is *seen* where the interval of the difference over seeds lies on that side of 0, *the opposite*
where it lies on the other, and *not told apart* where it holds 0. ``=`` asks for no loss: seen
unless the interval lies below 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Metric = Literal["pass@1", "pass@k", "signal", "entropy", "length"]
BEFORE = "before"


@dataclass(frozen=True)
class Sign:
    """A metric that is to be higher (+), lower (−) or no lower (=) than ``than`` has it."""

    metric: Metric
    way: Literal["+", "−", "="]
    than: str = "grpo"


@dataclass(frozen=True)
class Claim:
    """What a source says, in a line; its signs; and the kind of problems it is made for."""

    says: str
    signs: tuple[Sign, ...]
    home: Literal["arithmetic", "hard"] = "arithmetic"


LEARNS = Sign("pass@1", "+", BEFORE)
BETTER = Sign("pass@1", "+")

CLAIMS: dict[str, Claim] = {
    "advantage_weighted": Claim(
        "weighing steps by what they add to the chance of being right beats cloning the answers",
        (Sign("pass@1", "+", "generate"),),
    ),
    "asymre": Claim("a baseline a little below the mean learns stably", (LEARNS,)),
    "bnpo": Claim("a Beta baseline steadies gradients and ends higher than GRPO", (BETTER,)),
    "brorl": Claim("many answers a prompt go on where few have stalled", (BETTER,)),
    "campo": Claim(
        "answers as good, and shorter: loops cost reward",
        (Sign("pass@1", "="), Sign("length", "−")),
    ),
    "cft": Claim("criticising teaches more than imitating", (Sign("pass@1", "+", "sft"),)),
    "chord": Claim("demonstrations within RL end above RL alone", (BETTER,), "hard"),
    "cispo": Claim("no token's gradient is clipped away, so it learns faster", (BETTER,)),
    "clip_cov": Claim(
        "few tokens cost the entropy; sparing them keeps it, and ends higher",
        (Sign("entropy", "+"), BETTER),
    ),
    "d3s": Claim("the most telling rows and tokens alone learn faster", (BETTER,)),
    "dapo": Claim(
        "every kept group has a signal; entropy is kept; ends higher",
        (Sign("signal", "+"), Sign("entropy", "+"), BETTER),
    ),
    "distillation": Claim(
        "a teacher's answers raise pass@1, and pass@k where they bring what is new",
        (LEARNS, Sign("pass@k", "+", BEFORE)),
    ),
    "dpo": Claim("preferences are learned without sampling in between", (LEARNS,)),
    "dr_grpo": Claim(
        "as good, without the pull to long wrong answers",
        (Sign("pass@1", "="), Sign("length", "−")),
    ),
    "drpo": Claim("shorter answers at little loss", (Sign("pass@1", "="), Sign("length", "−"))),
    "entropy_regularisation": Claim(
        "entropy is held, and ends no lower", (Sign("entropy", "+"), Sign("pass@1", "="))
    ),
    "generate": Claim("one's own right answers, learned again, raise accuracy", (LEARNS,)),
    "ghpo": Claim(
        "hints give hard prompts a signal, and end about five points higher",
        (Sign("signal", "+"), BETTER),
        "hard",
    ),
    "grpo": Claim("learns without a critic", (LEARNS,)),
    "gspo": Claim("ratios of whole answers are steadier, and end higher", (BETTER,)),
    "guide": Claim(
        "hints teach failed prompts: pass@k rises, and pass@1 a few points",
        (Sign("pass@k", "+"), BETTER),
        "hard",
    ),
    "kl_cov": Claim(
        "a penalty on few tokens keeps the entropy, and ends higher",
        (Sign("entropy", "+"), BETTER),
    ),
    "luffy": Claim(
        "a demonstration in each group ends about seven points higher, entropy kept",
        (BETTER, Sign("entropy", "+")),
        "hard",
    ),
    "nsr": Claim(
        "wrong answers alone: pass@k and entropy are kept, pass@1 hardly lower",
        (Sign("pass@k", "+"), Sign("entropy", "+")),
    ),
    "opmd": Claim("mirror descent learns, also from older answers", (LEARNS,)),
    "pacs": Claim("telling right from wrong, supervised, ends above PPO and GRPO", (BETTER,)),
    "policy_gradient": Claim("none: the parts that presets choose from", (LEARNS,)),
    "ppo": Claim("a critic and a clip learn reliably", (LEARNS,)),
    "preference": Claim("none: the parts that dpo is a preset of", (LEARNS,)),
    "psr": Claim(
        "right answers alone: pass@1 rises, pass@k and entropy fall",
        (LEARNS, Sign("pass@k", "−"), Sign("entropy", "−")),
    ),
    "raft_plus_plus": Claim(
        "near GRPO from right answers alone, and entropy falls faster",
        (Sign("pass@1", "="), Sign("entropy", "−")),
    ),
    "rec": Claim("importance weights are not needed; a clip is", (Sign("pass@1", "="),)),
    "reinforce": Claim("learns", (LEARNS,)),
    "reinforce_plus_plus": Claim("as good as GRPO without groups", (Sign("pass@1", "="),)),
    "reinforce_plus_plus_baseline": Claim(
        "as good as GRPO, whitened over the batch", (Sign("pass@1", "="),)
    ),
    "relift": Claim(
        "unsolved prompts are learned from solutions: about five points higher",
        (BETTER,),
        "hard",
    ),
    "rft": Claim("one's own right answers raise accuracy", (LEARNS,)),
    "riskpo": Claim(
        "weight on the lower tail: pass@k rises, entropy is kept",
        (Sign("pass@k", "+"), Sign("entropy", "+")),
        "hard",
    ),
    "rl_plus": Claim(
        "demonstrations by unlikely tokens: higher pass@1 and pass@k",
        (BETTER, Sign("pass@k", "+")),
        "hard",
    ),
    "rloo": Claim("the others' mean as baseline beats none", (Sign("pass@1", "+", "reinforce"),)),
    "rover": Claim(
        "values of a random policy: higher pass@1 and, above all, pass@k",
        (BETTER, Sign("pass@k", "+"), Sign("entropy", "+")),
    ),
    "sft": Claim("demonstrations raise accuracy", (LEARNS,)),
    "step_advantages": Claim("rows for advantage_weighted", (Sign("pass@1", "+", "generate"),)),
    "step_pairs": Claim("pairs at the step that ruins an answer, for dpo", (LEARNS,)),
    "supervised": Claim("none: the parts that sft is a preset of", (LEARNS,)),
    "tl_training": Claim(
        "the tokens that choose a tool, weighed up, beat plain fine-tuning on calls",
        (Sign("pass@1", "+", "sft_on_calls"),),
    ),
    "tw_grpo": Claim("weight where the group disagrees ends higher", (BETTER,)),
    "w_reinforce": Claim(
        "pass@1 as GRPO and a higher pass@k", (Sign("pass@1", "="), Sign("pass@k", "+"))
    ),
}
