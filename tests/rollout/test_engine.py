"""What the engine on transformers promises, for the architectures people train."""

import random
from dataclasses import replace

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from etude.errors import ModelError
from etude.model.loading import Settings, policy_of
from etude.model.tokenizer import make_tokenizer
from etude.rollout.direct import DirectDecoder
from etude.rollout.growing import GrowingDecoder
from etude.rollout.slots import SlotDecoder
from etude.rollout.transformers import Transformers
from etude.rollout.waves import cut
from etude.rows import Request, StopReason

CPU = torch.device("cpu")
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "pad_token_id": 0,
}
CONFIGS = {
    "llama": LlamaConfig(**SMALL, vocab_size=104, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**SMALL, vocab_size=104),
    "qwen3": Qwen3Config(**SMALL, vocab_size=104, head_dim=16),
    "mistral_full": MistralConfig(**SMALL, vocab_size=104, sliding_window=None),
    "gpt2": GPT2Config(
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=512,
        vocab_size=104,
        initializer_range=0.3,
        bos_token_id=2,
        eos_token_id=3,
    ),
    "mistral": MistralConfig(**SMALL, vocab_size=104, sliding_window=8),
    "gemma2": Gemma2Config(
        **SMALL, vocab_size=104, head_dim=8, sliding_window=8, tie_word_embeddings=False
    ),
}
DECODERS = {
    "llama": DirectDecoder,
    "qwen2": DirectDecoder,
    "qwen3": DirectDecoder,
    "mistral_full": DirectDecoder,
    "gpt2": SlotDecoder,
    "mistral": GrowingDecoder,
    "gemma2": GrowingDecoder,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_policy(kind="llama", dtype=torch.float32):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind]).to(dtype)
    settings = Settings(dtype="auto" if dtype == torch.float32 else "float64")
    return policy_of(model, make_tokenizer("characters", 512), CPU, settings)


def make_requests(policy, prompts=6, group=4, limit=24):
    texts = [("What is " * (i % 3)) + f"{i}+{i * 7}?" for i in range(prompts)]
    return [
        Request(f"p{i}", g, policy.encode_prompt(text), 1000 * i + g, limit)
        for i, text in enumerate(texts)
        for g in range(group)
    ]


def decoder_of(engine, requests):
    """The kind of decoder that serves the first wave of some requests."""
    with torch.inference_mode():
        return type(engine._decoders.of(cut(requests, 1 << 20)[0]))


def forced_logprobs(policy, prompt, tokens, temperature=1.0):
    """Log-probs from one plain forward pass of the model itself."""
    ids = torch.tensor([[*prompt, *tokens]])
    with torch.no_grad():
        logits = policy.model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
    if logits.dtype != torch.float64:
        logits = logits.float()
    return torch.log_softmax(logits / temperature, -1).gather(-1, torch.tensor(tokens)[:, None])[
        :, 0
    ]


@pytest.mark.parametrize("kind", CONFIGS)
def test_logprobs_of_sampled_tokens_are_those_of_a_teacher_forced_pass(kind):
    policy = make_policy(kind)
    requests = make_requests(policy)
    engine = Transformers(temperature=0.8, stop_token_ids=list(range(20, 104, 7))).engine(policy)
    assert decoder_of(engine, requests) is DECODERS[kind]
    answers = engine.sample(requests)
    assert len({len(answer.tokens) for answer in answers}) > 1, "rows of one length test too little"
    for request, answer in zip(requests, answers, strict=True):
        expected = forced_logprobs(policy, request.prompt, answer.tokens, 0.8)
        assert torch.allclose(torch.tensor(answer.logprobs), expected, atol=1e-5)


def test_logprobs_agree_to_ten_digits_in_float64():
    policy = make_policy("llama", torch.float64)
    requests = make_requests(policy, prompts=2)
    for request, answer in zip(
        requests, Transformers().engine(policy).sample(requests), strict=True
    ):
        expected = forced_logprobs(policy, request.prompt, answer.tokens)
        mine = torch.tensor(answer.logprobs, dtype=torch.float64)
        assert torch.allclose(mine, expected, atol=1e-10)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral"])
def test_a_row_does_not_depend_on_what_is_sampled_beside_it(kind):
    policy = make_policy(kind)
    requests = make_requests(policy)
    engine = Transformers().engine(policy)
    together = engine.sample(requests)
    order = list(range(len(requests)))
    random.Random(3).shuffle(order)
    shuffled = engine.sample([requests[i] for i in order])
    assert [a.tokens for a in shuffled] == [together[i].tokens for i in order]
    tight = Transformers(token_budget=200).engine(policy).sample(requests)
    assert [a.tokens for a in tight] == [a.tokens for a in together]
    for i in (0, 9, 23):
        assert engine.sample([requests[i]])[0].tokens == together[i].tokens


@pytest.mark.parametrize("kind", [k for k, decoder in DECODERS.items() if decoder is DirectDecoder])
def test_company_changes_no_bit_of_the_logprobs(kind):
    policy = make_policy(kind)
    requests = make_requests(policy)
    engine = Transformers().engine(policy)
    together = engine.sample(requests)
    assert engine.sample(requests) == together
    assert engine.sample(requests[::-1])[::-1] == together
    assert engine.sample(requests[5:8]) == together[5:8]


def test_long_prompts_of_other_lengths_change_no_bit_either():
    policy = make_policy("qwen3")  # heads wide enough for the kernels to differ
    prompts = [policy.encode_prompt("7" * length) for length in (20, 180, 230, 300)]
    requests = [Request(f"p{i}", 0, prompt, i, 6) for i, prompt in enumerate(prompts)]
    engine = Transformers().engine(policy)
    assert engine.sample(requests) == [engine.sample([request])[0] for request in requests]


def test_rows_that_wait_to_leave_disturb_nobody():
    policy = make_policy()
    ends_early = Request("long", 0, policy.encode_prompt("+" * 60), 1, 4)
    goes_on = Request("short", 0, policy.encode_prompt("1+1"), 8, 64)
    engine = Transformers().engine(policy)
    alone = [engine.sample([request])[0] for request in (ends_early, goes_on)]
    assert len(alone[1].tokens) > 20 > len(alone[0].tokens)
    assert engine.sample([ends_early, goes_on]) == alone
    assert engine.sample([goes_on, ends_early]) == alone[::-1]


def test_seeds_alone_tell_rows_of_one_prompt_apart():
    policy = make_policy()
    request = make_requests(policy)[0]
    twins = (
        Transformers()
        .engine(policy)
        .sample([request, replace(request, index=7), replace(request, seed=5)])
    )
    assert twins[0] == twins[1]
    assert twins[0].tokens != twins[2].tokens


def test_greedy_takes_the_likeliest_token_each_time():
    policy = make_policy()
    request = make_requests(policy, limit=12)[0]
    answer = Transformers(temperature=0.0).engine(policy).sample([request])[0]
    text = list(request.prompt)
    for token in answer.tokens:
        assert int(policy.model(input_ids=torch.tensor([text])).logits[0, -1].argmax()) == token
        text.append(token)
    hot = Transformers(temperature=1.0).engine(policy)
    assert hot.sample([request], temperature=0.0) == [answer]


def test_top_k_samples_only_from_the_likeliest_and_keeps_full_logprobs():
    policy = make_policy()
    requests = make_requests(policy)
    for answer, request in zip(
        Transformers(top_k=3).engine(policy).sample(requests), requests, strict=True
    ):
        text = torch.tensor([[*request.prompt, *answer.tokens]])
        logits = policy.model(input_ids=text).logits[0, len(request.prompt) - 1 : -1]
        best = logits.topk(3, -1).indices.tolist()
        assert all(token in three for token, three in zip(answer.tokens, best, strict=True))
        expected = forced_logprobs(policy, request.prompt, answer.tokens)
        assert torch.allclose(torch.tensor(answer.logprobs), expected, atol=1e-5)


def test_every_row_has_its_own_limit_and_says_why_it_ended():
    policy = make_policy()
    requests = [replace(r, max_new_tokens=3 + i) for i, r in enumerate(make_requests(policy))]
    answers = Transformers(stop_token_ids=[20, 30]).engine(policy).sample(requests)
    assert {StopReason.STOP, StopReason.LENGTH} <= {answer.stop_reason for answer in answers}
    stops = {20, 30, *policy.eos_ids}
    for request, answer in zip(requests, answers, strict=True):
        assert len(answer.logprobs) == len(answer.tokens) <= request.max_new_tokens
        assert stops.isdisjoint(answer.tokens[:-1])
        assert (answer.stop_reason is StopReason.STOP) == (answer.tokens[-1] in stops)
        if answer.stop_reason is StopReason.LENGTH:
            assert len(answer.tokens) == request.max_new_tokens


def test_a_longer_limit_only_lengthens_a_row():
    policy = make_policy()
    requests = make_requests(policy)
    engine = Transformers().engine(policy)
    long = engine.sample(requests)
    short = engine.sample([replace(r, max_new_tokens=5) for r in requests])
    assert [a.tokens for a in short] == [a.tokens[:5] for a in long]


def test_a_forced_prefix_is_returned_with_its_logprobs_and_continued_as_if_sampled():
    policy = make_policy()
    requests = make_requests(policy)
    engine = Transformers().engine(policy)
    free = engine.sample(requests)
    lengths = [min(i % 6, len(a.tokens)) for i, a in enumerate(free)]
    forced = engine.sample(
        [replace(r, prefix=a.tokens[:n]) for r, a, n in zip(requests, free, lengths, strict=True)]
    )
    for mine, theirs in zip(forced, free, strict=True):
        assert mine.tokens == theirs.tokens
        assert mine.stop_reason is theirs.stop_reason
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)


def test_one_context_may_be_prompt_in_one_row_and_prefix_in_another():
    policy = make_policy()
    request = make_requests(policy)[0]
    forced = replace(request, prefix=(40, 41, 42))
    split = replace(request, prompt=(*request.prompt, 40), prefix=(41, 42))
    both = Transformers().engine(policy).sample([forced, split])
    for one, answer in zip((forced, split), both, strict=True):
        expected = forced_logprobs(policy, one.prompt, answer.tokens)
        assert torch.allclose(torch.tensor(answer.logprobs), expected, atol=1e-5)


def test_a_prefix_that_ends_the_row_leaves_nothing_to_sample():
    policy = make_policy()
    request = make_requests(policy)[0]
    full = replace(request, prefix=(11, 12, 13), max_new_tokens=3)
    stop = replace(request, prefix=(11, policy.tokenizer.eos_token_id))
    answers = Transformers().engine(policy).sample([full, request, stop])
    assert (answers[0].tokens, answers[0].stop_reason) == (full.prefix, StopReason.LENGTH)
    assert (answers[2].tokens, answers[2].stop_reason) == (stop.prefix, StopReason.STOP)
    assert len(answers[0].logprobs) == 3


def test_a_stop_string_ends_a_row_after_the_token_that_completes_it():
    policy = make_policy()
    requests = make_requests(policy)
    free = Transformers().engine(policy).sample(requests)
    long = max(free, key=lambda answer: len(answer.tokens))
    row, string = free.index(long), policy.decode(long.tokens[4:7])
    assert len(string) == 3
    answers = Transformers(stop=[string, "no such text"]).engine(policy).sample(requests)
    end = policy.decode(long.tokens).index(string) + 3
    assert answers[row].stop_reason is StopReason.STRING
    assert policy.decode(answers[row].tokens).endswith(string)
    assert len(answers[row].tokens) <= max(end, 7)
    for answer, before in zip(answers, free, strict=True):
        assert answer.tokens == before.tokens[: len(answer.tokens)]
        assert (answer.stop_reason is StopReason.STRING) == (string in policy.decode(before.tokens))


def test_weights_change_only_at_a_sync():
    policy = make_policy()
    requests = make_requests(policy, prompts=2)
    engine = Transformers().engine(policy)
    before = engine.sample(requests)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.mul_(1.5)
    assert engine.sample(requests) == before
    engine.sync(policy)
    after = engine.sample(requests)
    assert after == Transformers().engine(policy).sample(requests)
    assert after != before


def test_requests_that_do_not_fit_the_model_are_refused_with_the_key_to_type():
    policy = make_policy()
    request = make_requests(policy)[0]
    engine = Transformers().engine(policy)
    with pytest.raises(ModelError, match=r"512 positions.*rollout\.max_new_tokens"):
        engine.sample([replace(request, max_new_tokens=600)])
    assert engine.sample([]) == []


def test_rows_are_told_of_as_they_will_be_returned_while_others_are_sampled():
    policy = make_policy()
    engine = Transformers(temperature=1.0, stop=["e"]).engine(policy)
    requests = make_requests(policy, limit=40)
    requests[3] = replace(requests[3], prefix=requests[3].prompt[:4])

    class Hearing:
        def __init__(self):
            self.told, self.times = [], 0

        def ended(self, found):
            self.told += [(place, answer, self.times) for place, answer in found]

        def meanwhile(self):
            self.times += 1

    watch = Hearing()
    found = engine.sample(requests, watch=watch)
    assert found == engine.sample(requests)
    assert sorted(place for place, _, _ in watch.told) == list(range(len(requests)))
    assert all(found[place] == answer for place, answer, _ in watch.told)
    assert len({at for _, _, at in watch.told}) > 1
    assert watch.told[0][2] < watch.times
