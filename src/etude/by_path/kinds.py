"""The places that a plain function can fill: what it may ask for there, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.by_path.fields import ROLE_LOGITS, ROLE_LOGPROBS
from etude.component import SHOWS_LOGITS, TO_COMBINE
from etude.entries import NeedInfo


@dataclass(frozen=True)
class Kind:
    """A group that takes plain functions.

    ``adapter`` is the class that one becomes (``module:name``) and ``base`` the one whose fields
    every such component has, beside the function's own options. ``given`` maps the names that a
    function may ask for to what they are; with ``columns`` any other name is a column of the data,
    with ``parts`` it is a part of the verifier, and with ``of_roles`` one with that ending
    (``NAME_logprobs``) is what the model of the role NAME says.
    ``requires`` is what every component of the group asks for, classes too.
    ``gives`` completes "the function returns …". ``of_class`` tells a place of plain classes, whose
    options are those of their constructors, and of no function.
    """

    adapter: str
    gives: str
    given: Mapping[str, str]
    base: str = ""
    columns: bool = False
    parts: bool = False
    of_roles: str = ""
    of_class: bool = False
    provides: tuple[str, ...] = ()
    requires: tuple[NeedInfo, ...] = ()

    def role_of(self, name: str) -> str | None:
        """Return the role whose model a name asks for, None for any other name."""
        role = name.removesuffix(self.of_roles) if self.of_roles else name
        own = self.given.get(name, "") if name != f"reference{ROLE_LOGPROBS}" else ""
        return role if role != name and role and not own else None


_ROWS = {
    "mask": "[N, T], 1 on the response tokens that are trained",
    "lengths": "[N], tokens of each response",
    "groups": "[N], which prompt each row answers",
    "old_logprobs": "[N, T], log-probs when the answers were sampled",
    "reference_logprobs": "[N, T], log-probs of the reference model",
    "tensors": "numbers of each token that an episode left, name → [N, T]",
}

KINDS: dict[str, Kind] = {
    "verifier": Kind(
        adapter="etude.by_path.verifier:FunctionVerifier",
        base="etude.by_path.verifier:JudgedByFunction",
        gives="a number, or a dict of named parts → numbers",
        given={
            "prompt": "text of the prompt",
            "response": "text of the answer",
            "columns": "every column of the row, by name",
            "id": "the row's id",
            "length": "tokens of the answer",
            "truncated": "whether the token limit ended it",
            "evaluation": "whether it is judged to measure a model, and not to train it",
        },
        columns=True,
    ),
    "evaluation": Kind(
        adapter="etude.by_path.evaluation:FunctionEvaluation",
        base="etude.by_path.fields:EvaluationFields",
        gives="a number, or a dict of named metrics → numbers (of view also lists of them)",
        given={
            "responses": "list of the texts of the answers to one problem",
            "correct": "list: whether each answer is right",
            "parts": "the verifier's parts, name → list (None where one does not apply)",
            "lengths": "list of their tokens",
            "prompt": "text of the problem",
            "columns": "every column of the problem's row, by name",
            "id": "the row's id",
            "view": "the model, its rows and what samples and judges, asked for alone",
        },
        columns=True,
    ),
    "reward_weighting": Kind(
        adapter="etude.by_path.weighting:FunctionWeighting",
        gives="the reward of each row, a tensor [N]",
        given={
            "parts": "the verifier's parts, name → [N]",
            "applies": "name → [N], whether the part applies to the row (else it is 0)",
            "groups": "[N], which prompt each row answers",
            "correct": "[N], whether each answer is right",
            "lengths": "[N], tokens of each response",
            "truncated": "[N], whether the token limit ended the row",
            "step": "number of the step, from 0",
            "steps": "number of steps of the stage",
        },
        parts=True,
    ),
    "objective/advantage": Kind(
        adapter="etude.by_path.objective:FunctionAdvantage",
        gives="advantages, a tensor [N] or [N, T]",
        given={
            "rewards": "[N], reward of each row",
            "parts": "the verifier's parts, name → [N]",
            "truncated": "[N], whether the token limit ended the row",
            "step": "number of the step, from 0",
            "steps": "number of steps of the stage",
            **_ROWS,
        },
        of_roles=ROLE_LOGPROBS,
    ),
    "objective/policy_loss": Kind(
        adapter="etude.by_path.objective:FunctionLoss",
        gives="the loss of every token, a tensor [N, T]",
        given={
            "logprobs": "[N, T], log-probs of the policy, with gradient",
            "advantages": "[N, T]",
            "entropy": "[N, T], of every next-token distribution, with gradient",
            **{name: said for name, said in _ROWS.items() if name != "lengths"},
        },
        of_roles=ROLE_LOGPROBS,
        provides=("loss:tokenwise",),
    ),
    "objective/filter": Kind(
        adapter="etude.by_path.objective:FunctionFilter",
        base="etude.by_path.fields:FilterFields",
        gives="true where the group is trained on",
        given={
            "rewards": "list of the rewards of a group's answers",
            "parts": "the verifier's parts, name → list (None where one does not apply)",
            "correct": "list: whether each answer is right",
            "lengths": "list of their tokens",
        },
    ),
    "rollout/budget": Kind(
        adapter="etude.by_path.budget:FunctionBudget",
        gives="how many answers each prompt gets: a list, one number a prompt",
        given={
            "sizes": "list of the numbers that are planned, or the config's",
            "ids": "list of the prompts' ids",
            "pass_rates": "list of shares of right answers so far, None where never judged",
            "last_pass_rates": "list of those of each prompt's last visit",
            "judged": "list of how many answers were judged so far",
            "columns": "list of the prompts' columns, each by name",
            "step": "number of the step, from 0",
            "steps": "number of steps of the stage",
        },
        provides=("groups:unequal",),
    ),
    "data_mix/filter": Kind(
        adapter="etude.by_path.rows:FunctionRowFilter",
        gives="true where the row is trained on",
        given={},
        columns=True,
    ),
    "rollout/episode": Kind(
        adapter="etude.by_path.rollout:FunctionEpisode",
        gives="rows: as many for each example as were asked for, one after another or in groups",
        given={
            "examples": "list of the prompts",
            "sizes": "list: how many answers each gets",
            "stage": "what has models sample: stage.sample(…), stage.contexts, stage.tell(…)",
        },
    ),
    "rollout/logits": Kind(
        adapter="etude.by_path.rollout:FunctionLogits",
        gives="the logits to draw from, a tensor [n, V]",
        given={"logits": "[n, V], of the model that writes"},
        of_roles=ROLE_LOGITS,
        requires=(NeedInfo(SHOWS_LOGITS, why=TO_COMBINE),),
    ),
    "environment": Kind(
        adapter="etude.by_path.environment:ClassEnvironment",
        gives="an object with reset, tools or step, and parts",
        given={},
        of_class=True,
    ),
    "sources": Kind(
        adapter="etude.by_path.rows:FunctionSource",
        gives="rows: an iterable of dicts that have a prompt",
        given={
            "split": "which rows are asked for: train, test, or what the data mix names",
        },
        provides=("column:*",),
    ),
}
