"""Why a step has nothing to learn from, in words that the rows themselves bear out."""

from __future__ import annotations

from collections.abc import Sequence

from etude.rows import Outcome, Row


def why_alike(groups: Sequence[Sequence[Row]]) -> str:
    """Return how the answers of groups are alike: all wrong, all right, unread; and what to type.

    Groups are counted by what is true of all their answers, so the counts are of groups.
    """
    wrong = right = unread = mixed = 0
    for group in groups:
        outcomes = {row.verdict.outcome for row in group if row.verdict is not None}
        if outcomes == {Outcome.CORRECT}:
            right += 1
        elif outcomes == {Outcome.NO_ANSWER}:
            unread += 1
        elif Outcome.CORRECT not in outcomes:
            wrong += 1
        else:
            mixed += 1
    told = [
        f"{count} of {len(groups)} groups {what}"
        for count, what in (
            (unread, "had no answer that could be read"),
            (wrong, "had no right answer"),
            (right, "had right answers alone"),
            (mixed, "had right and wrong answers"),
        )
        if count
    ]
    most = max(unread, wrong, right, mixed)
    if most == unread:
        advice = (
            "the model does not answer in the form that the verifier reads: teach it the form "
            "first (a supervised stage), say it in data_mix.prompt_template, or raise "
            "rollout.max_new_tokens"
        )
    elif most == wrong:
        advice = "give easier prompts (data_mix.train.SOURCE.levels) or start from a better model"
    elif most == right:
        advice = "give harder prompts (data_mix.train.SOURCE.levels)"
    else:
        advice = "compare another metric (objective.filter.metric)"
    return f"{', '.join(told)}: {advice}"
