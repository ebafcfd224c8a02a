"""pass@k, maj@k and their intervals, against counting by hand."""

from itertools import combinations

import numpy as np
import pytest

from etude.evaluation.statistics import bootstrap, majority_at_k, paired_difference, pass_at_k


def generator(seed=0):
    return np.random.Generator(np.random.Philox(key=seed))


def right(*counts, n):
    return np.array([[place < count for place in range(n)] for count in counts])


@pytest.mark.parametrize("k", [1, 2, 3, 5, 6])
def test_pass_at_k_is_the_share_of_choices_of_k_that_hold_a_right_answer(k):
    correct = right(0, 1, 2, 4, 6, n=6)
    for row, value in zip(correct, pass_at_k(correct, k), strict=True):
        choices = list(combinations(row, k))
        assert value == pytest.approx(sum(any(c) for c in choices) / len(choices), abs=1e-15)


def test_pass_at_one_is_the_share_of_right_answers_and_large_n_does_not_overflow():
    assert pass_at_k(right(0, 3, 8, n=8), 1) == pytest.approx([0, 3 / 8, 1])
    many = np.zeros((1, 5000), dtype=bool)
    many[0, 0] = True
    assert pass_at_k(many, 2500)[0] == pytest.approx(0.5)


def test_pass_at_k_is_unbiased_and_the_naive_estimate_is_not():
    random, p, k, n = generator(), 0.3, 4, 6
    correct = random.random((200_000, n)) < p
    truth = 1 - (1 - p) ** k
    assert pass_at_k(correct, k).mean() == pytest.approx(truth, abs=0.003)
    naive = 1 - (1 - correct.mean(axis=1)) ** k
    assert abs(naive.mean() - truth) > 0.01


@pytest.mark.parametrize("k", [0, 7])
def test_k_beyond_the_samples_is_refused(k):
    with pytest.raises(ValueError, match="there are 6"):
        pass_at_k(right(1, n=6), k)


def test_the_majority_of_all_answers_wins_and_ties_are_drawn():
    answers = np.array(
        [[0, 0, 1, 2], [0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 2, 3], [-1, -1, -1, 0], [-1] * 4]
    )
    correct = np.array(
        [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    ).astype(bool)
    assert majority_at_k(answers, correct, 4, generator()) == pytest.approx([1, 0, 0.5, 0.25, 1, 0])


def test_right_answers_written_in_two_ways_vote_together():
    answers = np.array([[0, 1, 2, 2, 3]])  # 1/2, 0.5, and a wrong one twice
    correct = np.array([[True, True, False, False, False]])
    assert majority_at_k(answers, correct, 5, generator())[0] == 0.5


def test_the_majority_of_fewer_answers_is_the_mean_over_choices():
    answers = np.array([[0, 0, 1, 1, 2]])
    correct = np.array([[True, True, False, False, False]])
    votes = ["r", "r", "a", "a", "b"]

    def wins(chosen):
        counts = {v: chosen.count(v) for v in set(chosen)}
        best = [v for v, c in counts.items() if c == max(counts.values())]
        return ("r" in best) / len(best)

    choices = list(combinations(votes, 3))
    exact = sum(wins(list(c)) for c in choices) / len(choices)
    estimate = majority_at_k(answers, correct, 3, generator(), subsets=20_000)[0]
    assert estimate == pytest.approx(exact, abs=0.01)


def test_the_interval_of_a_mean_has_the_width_theory_gives():
    values = (generator(1).random((400, 1)) < 0.3).astype(float)
    (estimate,) = bootstrap(values, 4000, generator(2))
    mean = values.mean()
    half = 1.96 * np.sqrt(mean * (1 - mean) / 400)
    assert estimate.value == pytest.approx(mean)
    assert estimate.low == pytest.approx(mean - half, abs=0.01)
    assert estimate.high == pytest.approx(mean + half, abs=0.01)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random, covered = generator(3), 0
    for _ in range(300):
        (estimate,) = bootstrap(random.random((60, 1)), 300, random)
        covered += estimate.low <= 0.5 <= estimate.high
    assert 0.89 < covered / 300 < 0.99


def test_intervals_are_the_same_for_the_same_seed_and_shrink_to_a_point_without_spread():
    values = generator(4).random((50, 2))
    assert bootstrap(values, 100, generator(5)) == bootstrap(values, 100, generator(5))
    (constant,) = bootstrap(np.ones((30, 1)), 100, generator())
    assert (constant.low, constant.value, constant.high) == (1, 1, 1)
    (point,) = bootstrap(values[:, :1], 0, generator())
    assert point.low == point.high == point.value
    with pytest.raises(ValueError, match="no problem"):
        bootstrap(np.zeros((0, 1)), 10, generator())


def test_a_paired_difference_sees_what_two_separate_intervals_cannot():
    random = generator(6)
    hardness = random.random(200)
    first = {f"p{n}": float(value) for n, value in enumerate(hardness)}
    second = {name: min(1.0, value + 0.02) for name, value in first.items()} | {"only here": 1.0}
    difference = paired_difference(first, second)
    assert difference.problems == 200
    assert difference.clear
    assert difference.estimate.value == pytest.approx(0.02, abs=0.002)
    (alone,) = bootstrap(hardness[:, None], 1000, random)
    assert alone.high - alone.low > 4 * (difference.estimate.high - difference.estimate.low)
    assert difference.worse == 0


def test_no_difference_is_not_clear_and_unshared_problems_are_refused():
    same = {"a": 1.0, "b": 0.0}
    assert not paired_difference(same, same).clear
    with pytest.raises(ValueError, match="share no problem"):
        paired_difference({"a": 1.0}, {"b": 1.0})
