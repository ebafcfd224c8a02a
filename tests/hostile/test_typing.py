"""Characters that a shell or Hydra takes apart, odd letters, and values of a wrong type."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place


def typed(word: str, *says: str) -> Hostile:
    """Return one override that is refused, and what must be said of it."""
    return Hostile(f"{len(word)} {word[:60]}", [word], says, never=["stopped by"])


QUOTED = "needs quotes: "

CHARACTERS = [
    typed("tracker.group=a(b", QUOTED + "tracker.group='\"a(b\"'"),
    typed("tracker.group=a)b", QUOTED),
    typed("tracker.group={a", QUOTED),
    typed("tracker.group=[a", QUOTED),
    typed("tracker.group=a,b", "tracker.group='\"a,b\"' is text"),
    typed("tracker.group='a", QUOTED),
    typed('tracker.group="a', QUOTED),
    typed("tracker.group=é ü", QUOTED + "tracker.group='\"é ü\"'"),
    typed("rollout.stop=[a(b,c]", QUOTED + "rollout.stop='[\"a(b\",c]'"),
    typed("rollout.stop=[a", QUOTED),
    typed("rollout.stop=a]", QUOTED),
    typed("tracker.group=${", "tracker.group"),
    typed("tracker.group=${}", "tracker.group"),
    typed("tracker.group=${nothing}", "nothing"),
    typed("optimizer.lr=${optimizer.lr}", "optimizer"),
    typed("tracker.group=${oc.env:NOT_SET_HERE}", "NOT_SET_HERE"),
    typed("stages.rl.training.steps=${oc.env:NOT_SET_HERE}", "NOT_SET_HERE"),
    typed("tracker.group=" + "[" * 2000, "tracker.group"),
    typed("tracker.group=" + "[" * 300 + "]" * 300, "tracker.group"),
    typed("tracker.group=" + "{a:" * 300 + "1" + "}" * 300, "tracker.group"),
    typed("objective=grро", "there is no objective 'grро'", "grpo", "CYRILLIC SMALL LETTER ER"),
    typed("objective=grpо", "Did you mean grpo?", "CYRILLIC SMALL LETTER O"),
    typed("objective=ｇｒｐｏ", "Did you mean grpo?", "FULLWIDTH"),
    typed("objective=grpo\u200b", "ZERO WIDTH SPACE"),
    typed("objective=grpo\u00a0", "NO-BREAK SPACE"),
    typed("trаining.steps=3", "Did you mean training.steps?", "CYRILLIC SMALL LETTER A"),
    typed("sееd=3", "Did you mean seed?", "CYRILLIC SMALL LETTER IE"),
    typed("ѕeed=3", "CYRILLIC SMALL LETTER DZE"),
    typed("stages.rl.objеctive=grpo", "CYRILLIC SMALL LETTER IE"),
    typed("modеl=scratch", "Did you mean model?", "CYRILLIC SMALL LETTER IE"),
    typed("=3", "=3"),
    typed("seed", "KEY=VALUE"),
    typed("seed==3", "seed"),
    typed("seed=three", "seed is a whole number"),
    typed("seed=1.5", "seed is a whole number"),
    typed("seed=true", "seed is a whole number"),
    typed("seed=[1]", "seed is a whole number"),
    typed("seed={a:1}", "seed"),
    typed("seed=null", "seed cannot be null"),
    typed("debug=yes", "debug", "true or false"),
    typed("debug=1", "debug", "true or false"),
    typed("rollout.stop=end", "rollout.stop is a list of text"),
    typed("rollout.stop=[[a]]", "rollout.stop is text"),
    typed("evaluation.k=[one]", "evaluation.k is a whole number"),
    typed("reward_weighting.weights.accuracy=much", "number"),
    typed("optimizer.lr=1e-3e", "optimizer.lr is a number"),
    typed("optimizer.lr=1,0", "names several values"),
    typed("tracker.group=[a]", "tracker.group is text"),
    typed("pipeline=[sft,[rl]]", "pipeline"),
    typed("a" * 5000 + "=1", "has no key 'a"),
    typed(".".join(["a"] * 3000) + "=1", "has no key 'a"),
    typed("sources.mine={name:dataset,path:rows.jsonl,limit:many}", "limit is a whole number"),
]


@pytest.mark.parametrize("hostile", sampled(CHARACTERS))
def test_what_cannot_be_read_or_does_not_fit_says_what_to_type(
    hostile: Hostile, here: Place
) -> None:
    check(hostile, here)
