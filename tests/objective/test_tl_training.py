"""Which tokens of a tool call count more, and what they count."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from demonstration_cases import LENGTHS, WIDTH, draw, run
from objective_cases import composed

from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.objective.supervised import Supervised
from etude.objective.token_loss.standard import Standard
from etude.objective.token_weights.key_tokens import KeyTokens, argument_ends, key_weights

torch.set_num_threads(1)


class Letters:
    """One token a character, and 0 for the end of the text."""

    def encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def encode_response(self, text: str) -> tuple[int, ...]:
        return (*self.encode_text(text), 0)

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(chr(token) for token in tokens if token)


def weights(call: str, tools: list[str], max_weight: float = 9.0) -> list[float] | None:
    tokens = Letters().encode_response(call)
    return KeyTokens(max_weight=max_weight).weigh(tokens, {"tools": tools}, Letters())


def raised(call: str, tools: list[str]) -> list[int]:
    found = weights(call, tools)
    assert found is not None
    return [place for place, weight in enumerate(found) if weight > 1]


def test_the_first_token_and_the_one_that_tells_two_tools_apart_are_key() -> None:
    call = "subtract(left = '9', right = '4')"
    assert raised(call, ["add", "subtract", "submit"]) == [0, 3]
    assert raised(call, ["add", "subtract", "submit", "sum", "subtotal"]) == [0, 2, 3, 4]


def test_without_a_shared_beginning_only_the_first_token_is_key() -> None:
    assert raised("add(left = '9', right = '4')", ["add", "subtract"]) == [0]
    assert raised("add(left = '9', right = '4')", ["add"]) == [0]


def test_a_name_that_begins_another_is_told_apart_by_its_bracket() -> None:
    assert raised("find(text = 'a long text')", ["find", "find_all"]) == [0, 4]
    assert raised("find_all(text = 'a long text')", ["find", "find_all"]) == [0, 4]


def test_a_name_and_json_is_a_call_too_and_plain_text_is_none() -> None:
    assert raised('find\n{"text": "a long text"}', ["find", "fill"]) == [0, 2]
    assert weights("The answer is 7.", ["find"]) is None


def test_key_tokens_together_weigh_as_much_as_the_others_up_to_the_limit() -> None:
    assert key_weights(7, [0, 2], [4], 9.0) == [2, 1, 2, 1, 1, 1, 1]
    assert key_weights(22, [0], [21], 9.0)[:2] == [9, 1]
    assert key_weights(4, [0, 1], [2], 9.0) == [1, 1, 1, 1]  # no fewer key tokens than others
    assert key_weights(5, [0], [0], 9.0)[0] == 4.0  # a key that ends an argument counts once
    assert key_weights(3, [], [], 9.0) == [1, 1, 1]


def test_arguments_end_before_a_closing_quote_or_bracket() -> None:
    pieces = list("f(a = 'xy', b = [1])")
    ends = {pieces[place] for place in argument_ends(pieces, 1)}
    assert [pieces[place] for place in argument_ends(pieces, 1)] == ["y", "1", "]"]
    assert "x" not in ends
    assert list(argument_ends(["f", "(", "a", "<end>"], 1)) == [1]  # the third from the end
    whole = ["f(", "a", " = '", "xy", "')", ""]
    assert set(argument_ends(whole, 0)) == {3}


def test_a_largest_weight_of_one_is_the_plain_mean() -> None:
    found = weights("subtract(left = '9')", ["subtract", "submit"], max_weight=1.0)
    assert found is not None
    assert set(found) == {1.0}
    objective = Supervised(token_loss=Standard())
    ones = torch.ones(4, WIDTH, dtype=torch.float64)
    loss, gradient = run(objective, weights=ones)
    assert loss == pytest.approx(run(objective)[0], rel=1e-12)
    torch.testing.assert_close(gradient, run(objective)[1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("denominator", ["global_tokens", "per_sequence", "micro"])
def test_weights_stand_in_the_denominator_too(denominator: str) -> None:
    objective = Supervised(token_loss=Standard(), denominator=denominator)
    some = draw(4, WIDTH, seed=4).abs() + 0.1
    loss, gradient = run(objective, weights=some)
    assert loss == pytest.approx(run(objective, weights=3.0 * some)[0], rel=1e-12)
    assert loss != pytest.approx(run(objective)[0], rel=1e-3)
    if denominator == "micro":
        return
    for cuts, padding in (([[0], [1], [2], [3]], 0), ([[3, 1], [2, 0]], 2)):
        found = run(objective, cuts, padding=padding, weights=some)
        assert found[0] == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(found[1], gradient, rtol=1e-10, atol=1e-14)


def test_rows_count_alike_and_within_a_row_tokens_by_their_weight() -> None:
    some = draw(4, WIDTH, seed=4).abs() + 0.1
    objective = composed("objective=tl_training")
    nll = -torch.log_softmax(draw(4, WIDTH, 5, seed=1), -1)
    labels = draw(4, WIDTH, seed=2).abs().long() % 5
    nll = nll.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    rows = [
        float((some[i, :n] * nll[i, :n]).sum() / some[i, :n].sum())
        for i, n in enumerate(LENGTHS)
        if n
    ]
    assert run(objective, weights=some)[0] == pytest.approx(sum(rows) / len(rows), rel=1e-12)


def test_a_column_that_lists_no_tools_is_named() -> None:
    with pytest.raises(DataError, match="column tools"):
        weights("add(left = '1')", 7)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a tool is a name"):
        weights("add(left = '1')", [{"title": "add"}])  # type: ignore[list-item]


def test_rows_without_tools_are_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="needs the data column 'tools'"):
        prepare(["recipe=sft", "objective=tl_training"])
