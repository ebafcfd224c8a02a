"""Verifiers that judge in the process of the stage, and the models that they ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from etude.component import component, slot
from etude.config.roles import measured
from etude.errors import VerifierError
from etude.model.policy import Policy
from etude.model.scratch import Scratch
from etude.rollout.transformers import Transformers
from etude.rows import Candidate, Outcome, Verdict
from etude.schema import load
from etude.verifier.asked import AskedModel
from etude.verifier.host import Alone
from etude.verifier.interface import Verifier
from etude.verifier.number import Number
from etude.verifier.opened import Judging, OpenedVerifier

torch.set_num_threads(1)

SMALL = Scratch(hidden_size=32, layers=1, heads=2, kv_heads=1, intermediate_size=32)
PROMPTS = ["2+2=", "17-9=4. Is that right?", "a"]


@dataclass
class Lending(Alone):
    """A host that lends one model as every role, and a rollout that ends answers early."""

    policy: Policy | None = None

    def model(self, name: str) -> Any:
        return self.policy

    def engine(self, name: str, sampling: Any = None) -> Any:
        return (sampling or self.rollout).engine(self.policy)


@pytest.fixture(scope="module")
def host() -> Lending:
    policy = SMALL.create(1, torch.device("cpu"))
    early = Transformers(stop=list("abcdefgh "), top_k=2, max_new_tokens=3)
    return Lending(rollout=early, policy=policy)


def test_an_answer_depends_on_its_prompt_and_seed_and_not_on_what_is_asked_beside_it(
    host: Lending,
) -> None:
    model = AskedModel(host, "judge")
    for temperature in (0.0, 1.0):
        how: dict[str, Any] = {"temperature": temperature, "max_new_tokens": 12}
        together = model.answers(PROMPTS, [1, 2, 3], **how)
        alone = [model.answers([p], [s], **how)[0] for p, s in zip(PROMPTS, (1, 2, 3), strict=True)]
        assert together == alone
        assert model.answers(PROMPTS[::-1], [3, 2, 1], **how) == together[::-1]
    assert model.answers(PROMPTS, [1, 2, 3], **how) != model.answers(PROMPTS, [4, 5, 6], **how)


def test_what_ends_and_narrows_the_answers_of_a_policy_does_not_those_of_a_judge(
    host: Lending,
) -> None:
    replies = AskedModel(host, "judge").answers(["2+2="] * 20, range(20), temperature=1.0)
    assert any(reply is not None and reply.tokens > 3 for reply in replies)
    own = AskedModel(host, "judge", sampling=host.rollout)
    narrowed = own.answers(["2+2="] * 20, range(20), temperature=1.0)
    assert len({reply and reply.text[:1] for reply in narrowed}) <= 2


def test_log_probs_are_those_of_the_text_as_the_answer_to_its_prompt(host: Lending) -> None:
    policy = host.policy
    assert policy is not None
    for prompt, found in zip(
        PROMPTS, AskedModel(host, "judge").logprobs(PROMPTS, ["yes"] * 3), strict=True
    ):
        head, tail = policy.encode_prompt(prompt), policy.encode_text("yes")
        with torch.inference_mode():
            logits = policy.causal_lm(torch.tensor([[*head, *tail]])).logits[0].float()
        expected = torch.log_softmax(logits[len(head) - 1 : -1], dim=-1)
        wanted = expected[range(len(tail)), list(tail)]
        torch.testing.assert_close(torch.tensor(found), wanted, rtol=1e-4, atol=1e-5)


def test_what_a_judge_cannot_read_whole_is_said_and_asked_of_nobody(host: Lending) -> None:
    model = AskedModel(host, "judge")
    long = "1" * 100_000
    (short, none) = model.answers(["2", long], [1, 2], max_new_tokens=4)
    assert short is not None
    assert none is None
    assert model.logprobs([long, "2"], ["yes", "yes"])[0] is None


def test_an_answer_that_spells_control_tokens_is_read_as_text_whatever_the_model_is_set_to(
    host: Lending,
) -> None:
    assert host.policy is not None
    policy = replace(host.policy, control_tokens_in_text=True)
    spelling = f"1{policy.tokenizer.eos_token}2"
    ids = set(policy.tokenizer.all_special_ids)
    wording = policy.wording.literal()
    assert len(ids & set(policy.encode_prompt(spelling)[1:])) > 0
    assert not ids & set(wording.encode_text(spelling))
    trusting = AskedModel(Lending(rollout=host.rollout, policy=policy), "judge")
    careful = AskedModel(host, "judge")
    assert trusting.logprobs([spelling], ["yes"]) == careful.logprobs([spelling], ["yes"])


@component(group="verifier", name="half of a test", provides=("part:half",))
@dataclass(frozen=True)
class Half(OpenedVerifier):
    """Gives half of what it wraps."""

    rule: Verifier | None = slot("number", "what is halved", group="verifier")

    def open(self, host: Any) -> Halving:
        return Halving(host.open(self.rule))


class Halving(Judging):
    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        return [
            replace(each, parts={**each.parts, "half": each.parts["accuracy"] / 2})
            for each in self.rule.verify(candidates)
        ]


class Short(Judging):
    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        return [Verdict(Outcome.CORRECT, {})]


def asked(*responses: str) -> list[Candidate]:
    return [Candidate(str(i), 0, "1+1=", text, {"answer": "2"}) for i, text in enumerate(responses)]


def test_one_that_wraps_a_rule_is_opened_closed_and_counts_like_any_verifier() -> None:
    host = Alone()
    judge = host.open(Half(rule=Number()))
    try:
        found = judge.verify(asked("2", "3", "none"))
        assert [each.parts["half"] for each in found] == [0.5, 0.0, 0.0]
        assert judge.counts[Outcome.WRONG] == judge.counts[Outcome.CORRECT] == 1
        assert all(each.seconds is not None and each.seconds < 5 for each in found)
        assert judge.verify([]) == []
    finally:
        host.close()


def test_a_right_answer_that_the_rule_cannot_read_is_unreadable_to_what_wraps_it() -> None:
    assert Half(rule=Half(rule=Number())).unreadable({"answer": "no number"}) is not None
    assert Half(rule=Number()).unreadable({"answer": "2"}) is None


def test_it_is_told_where_there_are_not_as_many_verdicts_as_answers() -> None:
    with pytest.raises(VerifierError, match="Short gave 1 verdicts on 2 answers"):
        Short().verify(asked("2", "3"))


@component(group="verifier", name="pure of a test", provides=("part:accuracy",))
@dataclass(frozen=True)
class Pure(Verifier):
    """Judges in workers."""

    rule: Any = slot("number", "what it asks", group="verifier")


def test_one_that_judges_in_workers_is_not_opened_over_one_that_does_not() -> None:
    with pytest.raises(VerifierError, match="wraps verifier Half"):
        Pure(rule=Half(rule=Number())).open(1)


def test_without_a_stage_there_is_no_model_to_ask() -> None:
    with pytest.raises(VerifierError, match="the model 'judge' is asked to judge"):
        AskedModel(Alone(rollout=Transformers()), "judge")


def test_an_evaluation_without_a_judge_asks_for_no_model() -> None:
    view = {"evaluation": {"name": "pass_at_k"}, "verifier": {"name": "number"}}
    assert measured(view, load()) == {}
