"""Rows of episodes with environments: exact to the token under the chat templates of models.

The templates are those of test_wording.py, which have the shapes of the public ones.
"""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_wording import SHAPES
from transformers import LlamaConfig, LlamaForCausalLM
from wordings import tokenizer_of

from etude.environment.running import Running
from etude.errors import ModelError
from etude.learner.forward import score
from etude.model.policy import Policy
from etude.randomness import seed_of
from etude.rollout.episode.environment import WithEnvironment
from etude.rollout.episode.interface import Context
from etude.rollout.playing import Keys, Playing, play
from etude.rollout.transformers import Transformers
from etude.rows import Example, Message, Outcome, Row, Span, StopReason

TEMPLATES = ("qwen2.5", "llama3", "gemma", "phi3")
TURNS = 3


class Talk:
    """Says a number after each turn, and is over after three."""

    turn_parts = ("even",)

    def reset(self, seed: int) -> list[dict[str, str]]:
        self.turn, self.seed = 0, seed
        return [{"role": "user", "content": f"Say {seed % 7}."}]

    def step(self, text: str) -> tuple[list[dict[str, str]], bool]:
        self.turn += 1
        said = f"{len(text)} letters, again"
        return [{"role": "user", "content": said}], self.turn == TURNS

    def parts(self) -> dict[str, float]:
        return {"even": float(self.turn % 2), "turns": float(self.turn)}


class Here:
    """Environments without workers: what is asked of them is done at once."""

    seconds = 0.0

    def __init__(self, made: Any = Talk) -> None:
        self.made = made

    def pool(self, memory: int) -> Here:
        return self

    def tools(self, name: str, memory: int) -> list[dict[str, Any]]:
        return Running(self.made(), 0, 10).schemas

    def begin(self, examples: Any, memory: int, most: int) -> list[Any]:
        return [_Begun(Running(self.made(), k, most)) for k, _ in enumerate(examples)]

    def ask(self, asked: Any, seconds: float) -> list[Any]:
        return [_done(begun.one, command) for begun, command in asked]


@dataclasses.dataclass(eq=False)
class _Begun:
    one: Running
    environment: str = "environment"
    title: str = "the environment"
    broken: str = ""
    late: bool = False
    seconds: float = 0.0

    def head(self, what: str) -> dict[str, Any]:
        return {"what": what}


def _done(one: Running, command: dict[str, Any]) -> dict[str, Any]:
    match command["what"]:
        case "reset":
            return one.reset({})
        case "turn":
            return one.turn(command["calls"], command["text"])
        case "finish":
            return one.finish(command["messages"])
    return one.close()


def policy_of(name: str) -> Policy:
    """Return a random model that reads by the chat template of a shape."""
    kind, special, bos, eos, template, _, _ = SHAPES[name]
    tokenizer = tokenizer_of(kind, special, bos=bos, eos=eos, pad=eos)
    tokenizer.chat_template = template
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=1024,
        initializer_range=0.3,
    )
    torch.manual_seed(1)
    return Policy(LlamaForCausalLM(config).eval(), tokenizer, torch.device("cpu"))


def played(policy: Policy, playing: type[Playing] = Playing, **options: Any) -> list[Row]:
    """Return the rows of four episodes, of two examples."""
    rollout = Transformers(max_new_tokens=400)
    engine = rollout.engine(policy)
    players = SimpleNamespace(
        logits=None,
        expects=False,
        environments=options.pop("environments", Here()),
        model=lambda role: policy,
        engine=lambda role: engine,
        learned_at=lambda role: 1.0,
        verify=lambda rows: None,
    )
    examples = [Example(f"s:{k}", "s", f"row {k}") for k in range(2)]
    contexts = [
        Context(each, index, policy.encode_example(each), asked=False)
        for each in examples
        for index in range(2)
    ]
    numbered = {each.id: 2 for each in examples}
    keys = Keys(1, 0, lambda prompt_id, index: seed_of(prompt_id, index))
    stage = playing(players, keys, contexts, numbered, limit=400, temperature=1.0)
    episode = WithEnvironment(**{"turns": TURNS, "turn_tokens": 12, **options})
    groups = play(episode, examples, [2, 2], stage)
    return [row for group in groups for row in group]


def refuse_inexact(rows: list[Row], policy: Policy) -> None:
    """Raise AssertionError where a row is not what was sampled, or does not say so."""
    known = score(policy, rows, token_budget=4096)
    for row, values in zip(rows, known, strict=True):
        own = [at for span in row.spans if not span.told for at in range(span.start, span.end)]
        assert [at for at, on in enumerate(row.loss_mask) if on] == own
        assert [at for at, off in enumerate(row.off_policy) if not off] == own
        found = torch.tensor([row.sampler_logprobs[at] for at in own])
        wanted = torch.tensor([values[at] for at in own])
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
        at = 0
        for span in row.spans:
            assert span.start == at
            at = span.end
        assert at == len(row.tokens)


@pytest.fixture(scope="module", params=TEMPLATES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return policy_of(request.param)


def test_three_turns_are_exact_to_the_token(policy):
    rows = played(policy)
    assert len(rows) == 4
    refuse_inexact(rows, policy)
    for row in rows:
        assert row.ended is not None and row.stop_reason is StopReason.ENVIRONMENT
        assert [span.told for span in row.spans] == [False, True] * (TURNS - 1) + [False]
        assert row.ended.turn_parts == {"even": (1.0, 0.0, 1.0)}
        assert row.ended.parts == {"even": 2.0, "turns": 3.0}
        told = [each for each in row.spans if each.told]
        said = [each.content for each in row.ended.said if each.role == "user"][1:-1]
        for span, text in zip(told, said, strict=True):
            before = row.tokens[: span.start]
            wanted = policy.wording.encode_messages(
                [Message("user", text)], row.example, after=before
            )
            assert row.tokens[span.start : span.end] == wanted
            assert text in policy.rendered(wanted)
        turns = [each.content for each in row.ended.said if each.role == "assistant"]
        assert turns == [_text(row, span, policy) for span in row.spans if not span.told]


def _text(row: Row, span: Span, policy: Policy) -> str:
    tokens = row.tokens[span.start : span.end]
    stop = StopReason.STOP if tokens[-1] in policy.eos_ids else StopReason.LENGTH
    return policy.answer_text(tokens, row.example, stop)


def test_a_variant_that_encodes_again_what_was_sampled_is_found_out():
    class Again(Playing):
        def tell(self, row: Row, text: Any, *, role: str = "user") -> Context:
            before = super().tell(row, text, role=role)
            policy = self._players.model("policy")
            tokens = list(policy.encode_text(policy.decode(row.tokens)))
            count = len(row.tokens)
            tokens = tuple((tokens + [tokens[-1]] * count)[:count])
            return dataclasses.replace(before, row=dataclasses.replace(row, tokens=tokens))

    policy = policy_of("qwen2.5")
    with pytest.raises(AssertionError):
        refuse_inexact(played(policy, Again), policy)


def test_a_template_that_drops_thoughts_is_refused_or_accepted_by_name():
    policy = policy_of("qwen3")
    with pytest.raises(ModelError, match=r"rollout\.episode\.history=append"):
        played(policy)
    refuse_inexact(played(policy, history="append"), policy)


def test_an_episode_ends_at_the_limits_of_turns_and_tokens():
    policy = policy_of("qwen2.5")
    assert {row.stop_reason for row in played(policy, turns=2)} == {StopReason.TURNS}
    rows = played(policy, turn_tokens=None)
    refuse_inexact(rows, policy)
    assert StopReason.LENGTH in {row.stop_reason for row in rows}
    assert all(len(row.tokens) <= 400 for row in rows)


def test_a_broken_environment_leaves_a_row_without_a_verdict_on_its_answer():
    class Broken(Here):
        def ask(self, asked: Any, seconds: float) -> list[Any]:
            found = super().ask(asked, seconds)
            for place, (begun, command) in enumerate(asked):
                if begun.one.seed == 1 and command["what"] == "turn":
                    begun.broken, found[place] = "no answer after 2 s", None
                    begun.late = True
            return found

    policy = policy_of("qwen2.5")
    rows, lost = played(policy), played(policy, environments=Broken())
    assert lost[1].verdict is not None and lost[1].verdict.outcome is Outcome.TIMED_OUT
    assert lost[1].stop_reason is StopReason.BROKEN
    for place in (0, 2, 3):
        assert lost[place].tokens == rows[place].tokens
        assert lost[place].verdict is None
