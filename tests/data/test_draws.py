"""Rows drawn as a step asks for them: which they are, at random but never by chance."""

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from etude.data_mix.draw import Draw
from etude.data_mix.history import History
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import StageError
from etude.execute import tree
from etude.rows import Outcome


class Listed(list):
    def column(self, name, positions=None):
        places = range(len(self)) if positions is None else positions
        return [self[place][name] for place in places]


@dataclass(frozen=True)
class Numbered:
    """Rows with levels 0 to 3, and rows made of a number near the one that is asked for."""

    size: int

    def rows(self, split, seed, folder=None, key="NAME"):
        return Listed(
            {"id": str(n), "prompt": f"row {n}", "level": n % 4} for n in range(self.size)
        )

    def generate(self, parameters, key):
        number = f"{parameters['size']}/{key}"
        return {"id": number, "prompt": f"made {number}", "level": None}


SOURCES = {"a": Numbered(12), "b": Numbered(40)}


def opened(seed=1, shuffle=True, **weights):
    parts = {name: Share(weight=w) for name, w in (weights or {"a": 1.0, "b": 3.0}).items()}
    return Mix(train=parts, shuffle=shuffle, remember_generated=3).stream(SOURCES, seed=seed)


def ids(stream, *wanted):
    return [example.id for each in wanted for example in stream.next(each)]


def saved(state, folder):
    """Return a state as a checkpoint gives it back."""
    tree.save(state, folder)
    return tree.load(folder)


def judged(stream, step=0, **answers):
    """Have answers to rows judged: ``a1="110"`` are two right ones and a wrong one to row a:1."""
    kinds = {"1": Outcome.CORRECT, "0": Outcome.WRONG, "x": Outcome.CRASHED}
    rows = [
        SimpleNamespace(id=f"{name[0]}:{name[1:]}", outcome=kinds[kind])
        for name, each in answers.items()
        for kind in each
    ]
    stream.history.observe(SimpleNamespace(step=step, rows=rows))


DRAWS = [
    Draw(5, weights={"b": 1.0}),
    Draw(4, levels=[1, 2]),
    Draw(6, pass_rate=(0.2, 0.8), weights={"a": 1.0, "b": 1.0}),
    Draw(3, nearest={"level": 2.2}),
    Draw(7, row_weights={"b:3": 50.0}),
    Draw(4, parameters={"a": [{"size": 2.5}, {"size": 3.5}]}),
    Draw(2, ids={"a:3", "b:9"}),
]


def test_a_draw_that_asks_for_nothing_is_the_plain_stream_to_the_bit():
    one, other = opened(), opened()
    assert ids(one, *[Draw(n) for n in (3, 5, 1, 70)]) == ids(other, 79)
    assert one.state_dict() == other.state_dict()
    assert list(one.state_dict()) == ["counts", "demonstrations"]


def test_planned_draws_do_not_disturb_the_shares_and_the_order_of_plain_ones():
    one, other = opened(), opened()
    mixed = []
    for draw in DRAWS:
        if draw.chooses:  # the others take rows out of the order
            one.next(draw)
        mixed += ids(one, 9)
    assert mixed == ids(other, len(mixed))
    taken = ids(one, Draw(4, weights={"a": 1.0}))
    sources = [row[0] for row in ids(one, 8)]
    assert sources == [row[0] for row in ids(other, 8)]
    assert [row[0] for row in taken] == ["a"] * 4


@pytest.mark.parametrize("draw", DRAWS, ids=range(len(DRAWS)))
def test_the_same_seed_and_history_give_the_same_rows_and_another_seed_others(draw):
    streams = [opened(), opened(), opened(seed=2)]
    for stream in streams:
        judged(stream, a1="10", a2="11", b5="00")
    first, second, third = ([ids(s, draw), ids(s, draw), ids(s, draw)] for s in streams)
    assert first == second
    assert first != third or draw.ids is not None  # of two rows there is not much to choose


def test_a_stream_resumed_between_any_two_draws_goes_on_as_if_it_had_not_stopped(tmp_path):
    for stop in range(len(DRAWS) + 1):
        whole, before, after = opened(), opened(), opened()
        for stream in (whole, before):
            judged(stream, a1="10", a2="11", b5="00")
        expected = ids(whole, *DRAWS, 5)
        found = ids(before, *DRAWS[:stop])
        after.load_state_dict(saved(before.state_dict(), tmp_path / f"{stop}"))
        after.history.load_state_dict(saved(before.history.state_dict(), tmp_path / f"h{stop}"))
        assert found + ids(after, *DRAWS[stop:], 5) == expected
        assert list(after.history.items()) == list(whole.history.items())


def test_weights_are_kept_within_one_row_over_draws_of_any_size():
    stream, counts = opened(), Counter()
    for size in (1, 2, 5, 1, 7, 3, 40):
        counts.update(
            example.source for example in stream.next(Draw(size, weights={"a": 1, "b": 2}))
        )
        total = counts.total()
        assert abs(counts["a"] - total / 3) <= 1
    assert {name.split(":")[0] for name in ids(stream, Draw(9, weights={"b": 1.0}))} == {"b"}


def test_weighted_draws_go_on_in_the_order_of_each_part_and_visit_every_row_once_a_pass():
    stream = opened()
    seen = ids(stream, Draw(7, weights={"a": 1.0}), 20, Draw(1, weights={"a": 1.0}))
    of_a = [row for row in seen if row.startswith("a:")]
    assert len(of_a) == 12 + 1 and len(set(of_a[:12])) == 12
    assert stream.counts == {"a": 13, "b": 15} and stream.drawn == 28


def test_levels_and_ids_leave_all_other_rows_out_and_rows_repeat_only_when_used_up():
    stream = opened()
    found = stream.next(Draw(6, levels=[1], weights={"a": 1.0}))
    assert {example.columns["level"] for example in found} == {1}
    assert sorted(Counter(example.id for example in found).values()) == [2, 2, 2]
    assert sorted(ids(stream, Draw(2, ids=["b:7", "b:8", "c:1"]))) == ["b:7", "b:8"]
    assert sorted(ids(stream, Draw(2, ids=["a:7", "b:8"]))) == ["a:7", "b:8"]


def test_a_band_takes_rows_inside_and_never_judged_ones_first_then_the_nearest():
    stream = opened(a=1.0)
    rates = {f"a{n}": "1" * n + "0" * (10 - n) for n in range(11)}
    judged(stream, **rates)
    inside = ids(stream, Draw(4, pass_rate=(0.3, 0.5)))
    assert sorted(inside) == ["a:11", "a:3", "a:4", "a:5"]  # a:11 was never judged
    assert sorted(ids(stream, Draw(3, pass_rate=(0.3, 0.5), unjudged=False))) == [
        "a:3",
        "a:4",
        "a:5",
    ]
    near = ids(stream, Draw(6, pass_rate=(0.3, 0.5), unjudged=False))
    assert sorted(near[:3]) == ["a:3", "a:4", "a:5"]
    assert sorted(near[3:5]) == ["a:2", "a:6"] and near[5] in ("a:1", "a:7")


def test_nearest_rows_come_in_the_order_of_their_distance():
    stream = opened(a=1.0)
    judged(stream, a1="1110", a2="1000", a3="11")
    assert ids(stream, Draw(3, nearest={"pass_rate": 0.3})) == ["a:2", "a:1", "a:3"]
    assert ids(stream, Draw(1, pass_rate=(0.5, 1.0), unjudged=False, nearest={"level": 3})) == [
        "a:3"
    ]
    levels = [e.columns["level"] for e in stream.next(Draw(9, nearest={"level": 1.6}))]
    assert levels == [2, 2, 2, 1, 1, 1, 3, 3, 3]


def test_row_weights_are_chances_in_proportion_and_zero_leaves_a_row_out():
    stream, counts = opened(a=1.0), Counter()
    weights = {f"a:{n}": 0.0 for n in range(4, 12)} | {"a:0": 3.0}
    for _ in range(3000):
        counts.update(ids(stream, Draw(1, row_weights=weights)))
    assert set(counts) == {"a:0", "a:1", "a:2", "a:3"}
    assert counts["a:0"] / 3000 == pytest.approx(3 / 6, abs=0.04)
    assert counts["a:1"] / 3000 == pytest.approx(1 / 6, abs=0.03)


def test_made_rows_have_the_parameters_in_turn_and_are_other_ones_each_draw():
    stream = opened()
    asked = {"a": [{"size": 1.5}, {"size": 9.5}]}
    draw = Draw(4, weights={"a": 1.0}, parameters=asked)
    first, second = ids(stream, draw), ids(stream, draw)
    assert [row.split("/")[0] for row in first] == ["a:1.5", "a:9.5", "a:1.5", "a:9.5"]
    assert len({*first, *second}) == 8
    assert ids(opened(), draw, draw) == first + second
    kinds = Counter("made" in e.prompt for e in stream.next(Draw(8, parameters=asked)))
    assert kinds == {True: 2, False: 6}  # the other part's rows are read, by the mix's own shares


def test_what_is_drawn_again_is_of_its_own_place():
    stream = opened()
    asked = {"a": [{"size": float(n)} for n in range(8)]}
    draw = Draw(8, weights={"a": 1.0}, parameters=asked)
    first = ids(stream, draw)
    for places in ([6, 1], [1], []):
        again = [example.id for example in stream.again(draw, places)]
        assert [row.split("/")[0] for row in again] == [f"a:{place}.0" for place in places]
        assert not set(first) & set(again)
        first += again
    assert not set(first) & set(ids(stream, draw))


def test_a_row_that_was_chosen_gives_way_to_the_next_best_of_its_part():
    stream = opened()
    draw = Draw(4, weights={"b": 1.0}, nearest={"level": 0.0})
    first = stream.next(draw)
    assert {example.columns["level"] for example in first} == {0}
    again = [example for _ in range(3) for example in stream.again(draw, [0, 2])]
    assert {example.columns["level"] for example in again} == {0}
    assert len({example.id for example in [*first, *again]}) == 10


def test_a_plain_draw_goes_on_in_the_order_for_what_is_drawn_again():
    one, other = opened(), opened()
    found = ids(one, Draw(5)) + [example.id for example in one.again(Draw(5), [1, 4])]
    assert found + ids(one, 3) == ids(other, 10)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: Draw(0), "asks for 0 rows"),
        (lambda: Draw(1, pass_rate=(0.8, 0.2)), "lower end comes first"),
        (lambda: Draw(1, weights={"a": -1.0}), "weights have a: -1.0"),
        (lambda: Draw(1, weights={"a": 0.0}), "leaves no row"),
        (lambda: Draw(1, weights={"c": 1.0}), "name the part 'c'; data_mix.train has a, b"),
        (lambda: Draw(1, levels=[9]), "leaves no row"),
        (lambda: Draw(1, parameters={"a": []}), "no parameters for the part 'a'"),
        (lambda: Draw(None, levels=[1]), "has no count"),
    ],
)
def test_a_draw_that_cannot_be_served_says_what_is_wrong(draw, message):
    with pytest.raises(StageError, match=message):
        opened().next(draw())


def test_a_history_counts_every_judged_answer_and_the_last_visit_apart():
    known = History(10)
    stream = SimpleNamespace(history=known)
    judged(stream, step=3, a1="110x", a2="x")
    judged(stream, step=7, a1="0")
    visits = known["a:1"]
    assert (visits.pass_rate, visits.last_pass_rate) == (0.5, 0.0)
    assert (visits.visits, visits.step, visits.judged) == (2, 7, 4)
    assert "a:2" not in known  # the verifier failed on its only answer


def test_a_stage_remembers_as_many_generated_rows_as_its_mix_says():
    stream = opened()
    for step in range(5):
        (example,) = stream.next(Draw(1, weights={"a": 1.0}, parameters={"a": [{"size": 1.0}]}))
        judged(stream, step=step, **{f"a{example.id[2:]}": "1"})
    assert len(stream.history) == 3


def test_generated_rows_leave_a_history_the_oldest_visited_first_and_rows_of_sources_stay(
    tmp_path,
):
    known = History(2)
    stream = SimpleNamespace(history=known)
    judged(stream, a1="1")
    for step, row in enumerate(["b1", "b2", "b1", "b3"]):
        known.note_generated([f"b:{row[1:]}"])
        judged(stream, step=step, **{row: "1"})
    assert list(known) == ["a:1", "b:1", "b:3"]
    again = History(2)
    again.load_state_dict(saved(known.state_dict(), tmp_path / "saved"))
    again.note_generated(["b:4"])
    judged(SimpleNamespace(history=again), step=9, b4="0")
    assert list(again) == ["a:1", "b:3", "b:4"]
