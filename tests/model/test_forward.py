"""Log-probs of trained tokens: the same however rows are padded, packed, ordered or split."""

from dataclasses import dataclass

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config

from etude.learner.forward import forward, score
from etude.learner.microbatch import collate, split
from etude.model.loading import Settings, policy_of
from etude.model.scratch import Scratch
from etude.model.tokenizer import make_tokenizer

CPU = torch.device("cpu")
LINES = [[3, 0, 8], [1], [2, 7, 4, 6], [5]]


@dataclass
class Line:
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    loss_mask: list[int]


def make_rows(count=9):
    generator = torch.Generator().manual_seed(0)

    def ints(n, high=100):
        return torch.randint(7, high, (n,), generator=generator).tolist()

    rows = []
    for i in range(count):
        tokens = tuple(ints(1 + (5 * i) % 17))
        rows.append(Line(tuple(ints(2 + (3 * i) % 7)), tokens, [int(t % 5 != 0) for t in tokens]))
    return rows


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_policy(kind="llama", dtype="float64"):
    if kind == "llama":
        component = Scratch(
            hidden_size=32,
            layers=2,
            heads=2,
            kv_heads=1,
            intermediate_size=48,
            dtype=dtype,
            initializer_range=0.3,
        )
        return component.create(1, CPU)
    sizes = {"vocab_size": 104, "initializer_range": 0.3}
    config = {
        "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=128, **sizes),
        "gemma2": Gemma2Config(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=48,
            head_dim=16,
            sliding_window=6,
            final_logit_softcapping=3.0,
            max_position_embeddings=128,
            **sizes,
        ),
    }[kind]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).double()
    return policy_of(model, make_tokenizer("characters", 128), CPU, Settings(dtype="float64"))


def by_hand(policy, row, temperature):
    """Log-probs of one row from the model's own logits."""
    logits = policy.model(input_ids=torch.tensor([[*row.prompt, *row.tokens]])).logits
    logits = logits[0, len(row.prompt) - 1 : -1] / temperature
    return torch.log_softmax(logits, -1).gather(-1, torch.tensor(row.tokens)[:, None])[:, 0]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_logprobs_are_the_models_own_at_the_temperature(kind):
    policy, rows = make_policy(kind), make_rows()
    found = forward(policy, collate(rows), 0.7).logprobs
    for row, line in zip(rows, found, strict=True):
        mask = torch.tensor(row.loss_mask)
        assert torch.allclose(line[: len(row.tokens)], by_hand(policy, row, 0.7) * mask, atol=1e-12)
        assert not line[len(row.tokens) :].any()
    assert policy.plain_head == (kind != "gemma2")


def gradient(policy, passes):
    policy.model.zero_grad()
    for batch in passes:
        forward_pass = forward(policy, batch)
        (forward_pass.logprobs.sum() + 0.1 * forward_pass.entropy().sum()).backward()
    return torch.cat([p.grad.flatten() for p in policy.trainable_parameters()])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_gradients_do_not_depend_on_batching_order_padding_or_packing(kind):
    policy, rows = make_policy(kind), make_rows()
    whole = gradient(policy, [collate(rows)])
    others = {
        "micro-batches": [collate([rows[i] for i in part]) for part in split([40] * 9, 120)],
        "order": [collate(rows[::-1])],
        "padding": [collate(rows, pad_id=5, width=40)],
        "packing": [collate(rows, lines=LINES)],
    }
    # Gemma's attention takes its softmax in float32 whatever the weights are.
    tolerance = 1e-6 if kind == "gemma2" else 1e-10
    for name, passes in others.items():
        difference = (gradient(policy, passes) - whole).norm() / whole.norm()
        assert difference < tolerance, (name, difference)


def test_float32_is_invariant_to_five_digits():
    policy, rows = make_policy(dtype="float32"), make_rows()
    whole = gradient(policy, [collate(rows)])
    apart = gradient(policy, [collate([row], width=50) for row in rows])
    assert (apart - whole).norm() / whole.norm() < 1e-5


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_packed_rows_have_the_logprobs_of_unpacked_ones(kind):
    policy, rows = make_policy(kind), make_rows()
    packed = collate(rows, lines=LINES)
    assert packed.ids.shape[0] == len(LINES)
    mine, plain = forward(policy, packed).logprobs, forward(policy, collate(rows)).logprobs
    assert torch.allclose(mine, plain, atol=1e-12)


def test_chunks_of_logits_change_neither_values_nor_gradients():
    policy, rows = make_policy(), make_rows()
    results = []
    for chunk in (1, 104 * 7, 1 << 20):
        policy.model.zero_grad()
        seen = forward(policy, collate(rows), 0.9, chunk=chunk)
        values = (seen.logprobs, seen.entropy(), seen.logits())
        (values[0].sum() + values[1].square().sum()).backward()
        grads = torch.cat([p.grad.flatten() for p in policy.trainable_parameters()])
        results.append([*(value.detach() for value in values), grads])
    for other in results[1:]:
        assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(results[0], other, strict=True))


def test_positions_of_all_rows_are_seen_together_whatever_the_chunk():
    policy, rows = make_policy(), make_rows()
    seen = forward(policy, collate(rows), 0.9)

    def spread(logits, columns):
        assert logits.shape[1] == columns.stop - columns.start
        return (logits - logits.mean(0)).square().sum(-1)

    def gradients(values):
        policy.model.zero_grad()
        values.square().sum().backward()
        return torch.cat([p.grad.flatten() for p in policy.trainable_parameters()])

    whole = spread(seen.logits(), slice(0, seen.logits().shape[1]))
    expected = gradients(whole)
    for chunk in (1, 104 * len(rows) * 4, 1 << 20):
        again = forward(policy, collate(rows), 0.9, chunk=chunk)
        values = again.across(spread)
        assert torch.allclose(values, whole, atol=1e-10)
        assert torch.allclose(gradients(values), expected, atol=1e-10)
        with torch.no_grad():
            assert torch.allclose(again.across(spread), whole, atol=1e-10)


def test_entropy_and_logits_belong_to_the_same_distribution_as_the_logprobs():
    policy, rows = make_policy(), make_rows()
    batch = collate(rows)
    seen = forward(policy, batch, 0.5)
    full = torch.log_softmax(seen.logits(), -1)
    picked = full.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1) * batch.mask
    assert torch.allclose(picked, seen.logprobs, atol=1e-12)
    entropy = -(full.exp() * full).sum(-1) * batch.mask
    assert torch.allclose(entropy, seen.entropy(), atol=1e-12)
    largest = seen.statistic(lambda logits: logits.max(-1).values)
    assert torch.allclose(largest, seen.logits().max(-1).values * batch.mask, atol=1e-12)


def test_logits_are_only_computed_where_a_token_is_trained():
    policy, rows = make_policy(), make_rows()
    seen = []
    head = policy.causal_lm.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    policy.reading  # noqa: B018  its trials run the head themselves
    seen.clear()
    forward_pass = forward(policy, collate(rows))
    assert seen == []
    forward_pass.logprobs.sum().backward()
    forward_pass.entropy()
    handle.remove()
    assert seen == [(sum(sum(row.loss_mask) for row in rows), 104)]


def test_scores_come_back_row_by_row_whatever_the_budget():
    policy, rows = make_policy(), make_rows()
    one, many = score(policy, rows, token_budget=10**6), score(policy, rows, token_budget=30)
    for a, b, row in zip(one, many, rows, strict=True):
        assert len(a) == len(row.tokens)
        assert a == pytest.approx(b, abs=1e-12)


def test_rows_without_a_trained_token_give_zeros_and_no_error():
    policy = make_policy()
    rows = [Line((7, 8), (9, 10), [0, 0]), Line((7,), (), [])]
    seen = forward(policy, collate(rows))
    assert seen.logprobs.shape == (2, 2)
    assert not seen.logprobs.any()
    assert not seen.entropy().any()


def test_bad_rows_and_temperatures_are_refused():
    with pytest.raises(ValueError, match="row 1 has 0 context tokens"):
        collate([Line((7,), (8,), [1]), Line((), (8,), [1])])
    with pytest.raises(ValueError, match="above 0, not 0"):
        forward(make_policy(), collate(make_rows(2)), 0.0)


def test_micro_batches_hold_rows_of_like_length_within_the_budget():
    lengths = [3, 50, 7, 48, 5, 20, 21, 3]
    parts = split(lengths, 100)
    assert sorted(row for part in parts for row in part) == list(range(8))
    assert all(len(part) * max(lengths[i] for i in part) <= 100 for part in parts)
    assert parts[0] == [1, 3]
    assert split(lengths, 1) == [[i] for i in (1, 3, 6, 5, 2, 4, 0, 7)]
    assert split([], 10) == []


def test_groups_stay_whole():
    lengths = [3, 50, 7, 48, 5, 20, 21, 3]
    groups = ["a", "a", "b", "b", "c", "c", "d", "d"]
    for budget in (1, 100, 150, 10**6):
        parts = split(lengths, budget, groups)
        assert sorted(row for part in parts for row in part) == list(range(8))
        for label in "abcd":
            assert sum(any(groups[i] == label for i in part) for part in parts) == 1
        for part in parts:
            alone = len({groups[i] for i in part}) == 1
            assert alone or len(part) * max(lengths[i] for i in part) <= budget
