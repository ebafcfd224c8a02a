"""Measuring a policy: same problems and draws every time, outcomes counted, loss as defined."""

import copy
import json
from contextlib import closing, nullcontext
from types import SimpleNamespace

import pytest
import torch

from etude import schema
from etude.errors import ConfigError, VerifierError
from etude.evaluation.difficulty import correct_by_problem
from etude.evaluation.held_out_loss import held_out_loss
from etude.evaluation.interface import Answers
from etude.evaluation.pass_at_k import PassAtK
from etude.evaluation.run import Measurement, Parts, evaluate_model, evaluate_policy
from etude.rows import Example, Outcome, Sampled, StopReason, Verdict

torch.set_num_threads(1)


def defaults(group, name, **changes):
    """Return a component's config node: every field with its default, some changed."""
    fields = schema.load().find(group, name).fields
    plain = {key: field.default for key, field in fields.items() if not field.holds_parts}
    filled = {key: defaults(f.slot, f.default) for key, f in fields.items() if f.slot and f.default}
    node = {"name": name, **copy.deepcopy(plain), **filled}
    assert set(changes) <= set(node)
    return {**node, **changes}


def part(**changes):
    return {"source": None, "split": None, "weight": None, "levels": [1], "limit": None, **changes}


def config(**evaluation):
    return {
        "seed": 1,
        "model": defaults(
            "model", "scratch", hidden_size=32, layers=1, heads=2, kv_heads=1, intermediate_size=32
        ),
        "data_mix": defaults(
            "data_mix",
            "mix",
            # What is trained on and what is demonstrated are not there, and not read.
            train={"missing": part()},
            demonstrations={"missing": part()},
            held_out={"arithmetic": part()},
            response_template="{solution}",
        ),
        "sources": {"arithmetic": defaults("sources", "arithmetic")},
        "verifier": defaults("verifier", "number"),
        "rollout": defaults("rollout", "transformers", max_new_tokens=6),
        "evaluation": defaults(
            "evaluation",
            "pass_at_k",
            **{"problems": 6, "samples": 4, "bootstrap": 50, **evaluation},
        ),
        "execution": {"device": "cpu"},
    }


class Policy:
    """A policy whose tokens are characters; only what an evaluation of samples needs."""

    pad_id = 0
    causal_lm = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=512))

    def encode_example(self, example):
        return self.encode_prompt(example.prompt, example.system)

    def encode_prompt(self, prompt, system=None):
        return tuple(map(ord, prompt))

    def answer_text(self, tokens, example, stop_reason):
        return "".join(map(chr, tokens))

    def rendered(self, tokens):
        return "<s>" + "".join(map(chr, tokens))


class Engine:
    """Answers ``right`` of a problem's samples rightly; the rest wrongly or not at all."""

    def __init__(self, right=2, empty=False):
        self.right, self.empty, self.closed, self.temperature, self.requests = (
            right,
            empty,
            False,
            None,
            [],
        )

    def sample(self, requests, *, temperature=None):
        self.temperature, self.requests = temperature, list(requests)
        return [self._one(request) for request in requests]

    def _one(self, request):
        text = "" if self.empty else "A:-1"
        if request.index < self.right:
            text = f"A:{eval(request.prompt_id.removeprefix('arithmetic:'))}"
        return Sampled(tuple(map(ord, text)), (0.0,) * len(text), StopReason.STOP)

    def close(self):
        self.closed = True


def without_responses(**evaluation):
    node = config(**evaluation)
    node["data_mix"]["response_template"] = None
    return node


def measured(node, engine, judge=None):
    """Measure the answers of an engine; the config's own verifier judges unless one is given."""
    parts = Parts.build(node, None)
    own = parts.around.verifier
    return Measurement(parts).of(
        Policy(),
        engine=lambda: closing(engine),
        judge=lambda: closing(own.open()) if judge is None else nullcontext(judge),
        host=SimpleNamespace(environments_of=lambda there: None),  # no episode asks for a model
    )


def test_metrics_outcomes_and_samples_say_what_was_answered():
    engine = Engine(right=1)
    result, samples = measured(without_responses(), engine)
    metrics = {name: entry["value"] for name, entry in result["metrics"].items()}
    assert metrics["pass@1"] == metrics["avg@4"] == 0.25
    assert metrics["pass@4"] == 1.0
    assert metrics["maj@4"] == 0.0  # three times -1 outvotes one right answer
    assert metrics["truncated"] == 0.0
    assert "loss" not in metrics
    assert result["outcomes"] == dict.fromkeys(Outcome, 0) | {"correct": 6, "wrong": 18}
    assert (result["problems"], result["samples"], result["k"]) == (6, 4, [1, 4])
    assert len(samples) == 24
    assert samples[0]["outcome"] == "correct"
    assert samples[1]["rendered"] == f"<s>{samples[1]['prompt']}" != "<s>"
    assert samples[1] | {"id": "", "prompt": "", "rendered": "", "answer": ""} == {
        "id": "",
        "index": 1,
        "prompt": "",
        "rendered": "",
        "response": "A:-1",
        "answer": "",
        "outcome": "wrong",
        "extracted": "-1",
        "parts": {"accuracy": 0.0, "format": 1.0, "length": 4.0},
        "stop_reason": "stop",
        "length": 4,
    }
    assert correct_by_problem(samples) == dict.fromkeys({s["id"] for s in samples}, 0.25)
    assert engine.closed
    assert engine.temperature == 1.0
    json.dumps([result, samples])


def test_problems_and_draws_do_not_depend_on_the_seed_of_the_run():
    first, second = Engine(), Engine()
    measured(without_responses(), first)
    measured({**without_responses(), "seed": 77}, second)
    assert first.requests == second.requests
    assert len({request.seed for request in first.requests}) == 24
    other = Engine()
    measured(without_responses(seed=5), other)
    assert [r.prompt_id for r in other.requests] == [r.prompt_id for r in first.requests]
    assert not {r.seed for r in other.requests} & {r.seed for r in first.requests}


def test_greedy_takes_one_answer_at_temperature_zero_and_limits_can_be_its_own():
    engine = Engine()
    result, _ = measured(without_responses(greedy=True, max_new_tokens=9), engine)
    assert engine.temperature == 0.0
    assert [request.index for request in engine.requests] == [0] * 6
    assert {request.max_new_tokens for request in engine.requests} == {9}
    named = ["pass@1", "length", "truncated", "length_correct"]
    assert list(result["metrics"]) == named


def test_a_k_beyond_the_samples_is_told_before_anything_is_sampled():
    engine = Engine()
    with pytest.raises(ConfigError, match=r"evaluation\.k  is \[1,16\](.*)evaluation\.samples"):
        measured(without_responses(k=[1, 16]), engine)
    assert not engine.requests


def test_no_answers_are_counted_apart_and_a_dead_verifier_is_no_pass_rate():
    result, _ = measured(without_responses(), Engine(0, empty=True))
    assert result["outcomes"]["no_answer"] == 24

    class Dead:
        def verify(self, candidates):
            return [Verdict(Outcome.CRASHED, {}, detail="out of order")] * len(candidates)

    with pytest.raises(VerifierError, match=r"all 24 answers.*out of order"):
        measured(without_responses(), Engine(), Dead())


def test_failed_rows_are_in_the_samples_with_the_reason():
    example = Example("x", "s", "p")
    verdicts = [
        Verdict(Outcome.TIMED_OUT, {}, detail="no verdict after 5 s"),
        Verdict(Outcome.CORRECT, {"accuracy": 1.0}, "3"),
    ]
    sampled = [Sampled((1,), (0.0,), StopReason.LENGTH)] * 2
    result = PassAtK(problems=1, samples=2).of(Answers([example], sampled, ["", "3"], verdicts, 5))
    assert result.samples[0]["detail"] == "no verdict after 5 s"
    assert result.evaluation["outcomes"]["timed_out"] == 1
    assert result.evaluation["metrics"]["truncated"]["value"] == 1.0


def tiny():
    from etude.build import build

    return build(config()["model"], "model").create(3, torch.device("cpu"))


def test_a_real_model_is_measured_the_same_to_the_bit_and_left_as_it_was():
    policy = tiny()
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    policy.model.train()
    first = evaluate_policy(config(), policy)
    assert policy.model.training
    assert evaluate_policy(config(), policy) == first
    assert all(
        torch.equal(before[name], value) for name, value in policy.model.state_dict().items()
    )
    assert first[0]["metrics"]["length"]["value"] <= 6
    assert first[0]["settings"]["demonstrations"] == 6


def test_a_model_in_a_folder_measures_as_it_did_in_memory(tmp_path):
    policy = tiny()
    policy.save(tmp_path / "model")
    assert evaluate_model(config(), {"model": tmp_path / "model"}, tmp_path, 1) == evaluate_policy(
        config(), policy
    )
    assert evaluate_model(config(), {"model": None}, tmp_path, 3) == evaluate_policy(
        config(), policy
    )


def test_the_loss_is_the_mean_over_response_tokens_and_ignores_batches_and_padding():
    policy = tiny()
    texts = [("37+48=", "7+8=15 A:85"), ("1+1=", "A:2"), ("900-99=", "10-9=1 9-9=0 8=8 A:801")]
    examples = [
        Example(str(n), "s", prompt, response) for n, (prompt, response) in enumerate(texts)
    ]
    whole = held_out_loss(policy, examples, 100, 10_000)
    single = held_out_loss(policy, examples, 100, 1)
    assert whole.losses == pytest.approx(single.losses, rel=1e-5)
    for (prompt, response), loss, count in zip(texts, whole.losses, whole.tokens, strict=True):
        head, tail = policy.encode_prompt(prompt), policy.encode_response(response)
        with torch.no_grad():
            logits = policy.model(input_ids=torch.tensor([[*head, *tail]])).logits[0]
        logprobs = logits.log_softmax(-1)[len(head) - 1 : -1]
        expected = -logprobs[torch.arange(len(tail)), torch.tensor(tail)].sum()
        assert (loss, count) == (pytest.approx(float(expected), rel=1e-5), len(tail))
    short = held_out_loss(policy, examples, 12, 10_000)
    assert (len(short.losses), short.left_out) == (1, 2)
