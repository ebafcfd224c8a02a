"""Drawing tokens: by inverse CDF, exact at the ends, with filters that mean one thing."""

import torch

from etude.randomness import uniforms
from etude.rollout.sampling import Sampling, draw, inverse_cdf


def test_a_token_is_the_first_whose_cumulative_probability_exceeds_the_uniform():
    weights = torch.tensor([[0.25, 0.25, 0.5]]).repeat(6, 1)
    u = torch.tensor([0.0, 0.2499, 0.25, 0.49, 0.5, 0.9999], dtype=torch.float64)
    assert inverse_cdf(weights, u).tolist() == [0, 0, 1, 1, 2, 2]


def test_the_ends_of_the_unit_interval_never_give_an_impossible_token():
    weights = torch.rand(500, 37)
    weights[:, :3] = 0
    weights[:, -3:] = 0
    for u in (0.0, 1.0 - 2**-53):
        tokens = inverse_cdf(weights, torch.full((500,), u, dtype=torch.float64))
        assert (weights.gather(-1, tokens[:, None]) > 0).all()
        assert (tokens == (3 if u == 0 else 33)).all()


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    count = 20000
    u = torch.from_numpy(uniforms(1, count))
    tokens, logprobs = draw(logits.expand(count, -1), u, Sampling(temperature=0.5))
    expected = torch.softmax(logits / 0.5, -1)
    seen = torch.bincount(tokens, minlength=4) / count
    assert (seen - expected).abs().max() < 0.01
    assert torch.allclose(logprobs, torch.log(expected)[tokens], atol=1e-6)


def test_top_k_keeps_exactly_k_even_among_equals():
    logits = torch.tensor([[1.0, 1.0, 1.0, 0.0, 1.0]]).repeat(100, 1)
    u = torch.linspace(0, 0.999, 100, dtype=torch.float64)
    assert set(draw(logits, u, Sampling(top_k=2))[0].tolist()) == {0, 1}


def test_top_p_keeps_the_smallest_set_that_holds_the_mass():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]])).repeat(200, 1)
    u = torch.linspace(0, 0.999, 200, dtype=torch.float64)
    for top_p, kept in ((0.4, {1}), (0.6, {1, 3}), (0.8, {1, 2, 3}), (1.0, {0, 1, 2, 3})):
        assert set(draw(logits, u, Sampling(top_p=top_p))[0].tolist()) == kept


def test_filters_leave_the_recorded_logprobs_alone():
    logits = torch.randn(50, 20)
    u = torch.rand(50, dtype=torch.float64)
    tokens, logprobs = draw(logits, u, Sampling(top_k=4, top_p=0.7, temperature=2.0))
    full = torch.log_softmax(logits / 2, -1)
    assert torch.equal(logprobs, full.gather(-1, tokens[:, None])[:, 0])


def test_temperature_zero_is_greedy():
    logits = torch.randn(50, 20)
    tokens, logprobs = draw(logits, torch.rand(50, dtype=torch.float64), Sampling(temperature=0.0))
    assert torch.equal(tokens, logits.argmax(-1))
    assert torch.equal(logprobs, torch.log_softmax(logits, -1).max(-1).values)
