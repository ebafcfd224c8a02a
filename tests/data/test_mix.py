"""A mix: an exact and resumable order, held-out rows apart, templates filled."""

import json
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.data_mix.template import fill, names
from etude.errors import DataError
from etude.sources.arithmetic import Arithmetic
from etude.sources.dataset import Dataset


@dataclass(frozen=True)
class Numbered:
    """A source of ``size`` rows whose prompts are ``<word> <number>``."""

    word: str
    size: int
    first: int = 0

    def rows(self, split, seed, folder=None, key="NAME"):
        numbers = range(self.first, self.first + self.size)
        return Listed(
            [
                {
                    "id": f"{split}{n}",
                    "prompt": f"{self.word} {n}",
                    "answer": str(n),
                    "level": n % 4,
                }
                for n in numbers
            ]
        )


class Listed(list):
    def column(self, name, positions=None):
        places = range(len(self)) if positions is None else positions
        return [self[place][name] for place in places]


SOURCES = {"a": Numbered("a", 7), "b": Numbered("b", 10), "c": Numbered("c", 40)}


def mix(**parts):
    return Mix(train={name: Share(weight=weight) for name, weight in parts.items()})


def drawn(stream, *counts):
    return [example.id for count in counts for example in stream.next(count)]


def test_after_any_number_of_draws_each_share_is_exact_to_within_one_row():
    stream = mix(a=1.0, b=2.5, c=0.5).stream(SOURCES, seed=1)
    counts: Counter[str] = Counter()
    for total in range(1, 401):
        counts[stream.next(1)[0].source] += 1
        for name, share in (("a", 1 / 4), ("b", 2.5 / 4), ("c", 0.5 / 4)):
            assert abs(counts[name] - share * total) <= 1
    assert stream.counts == dict(counts)


def test_without_weights_parts_count_by_their_rows_and_a_pass_visits_each_once():
    stream = mix(a=None, b=None, c=None).stream(SOURCES, seed=1)
    assert stream.size == 57
    seen = drawn(stream, 57)
    assert len(set(seen)) == 57
    assert stream.epoch == 1


def test_each_pass_over_a_part_is_another_permutation():
    stream = mix(b=None).stream(SOURCES, seed=1)
    first, second = drawn(stream, 10), drawn(stream, 10)
    assert sorted(first) == sorted(second) == sorted(f"b:train{n}" for n in range(10))
    assert first != second
    assert stream.epoch == 2


def test_the_order_depends_on_the_seed_and_not_on_how_many_rows_are_asked_at_once():
    whole = drawn(mix(a=1.0, c=2.0).stream(SOURCES, seed=4), 100)
    assert drawn(mix(a=1.0, c=2.0).stream(SOURCES, seed=4), 1, 32, 7, 60) == whole
    assert drawn(mix(a=1.0, c=2.0).stream(SOURCES, seed=5), 100) != whole


def test_a_stream_resumed_anywhere_goes_on_as_if_it_had_not_stopped():
    whole = drawn(mix(a=1.0, b=0.3, c=2.0).stream(SOURCES, seed=4), 150)
    for stop in (0, 1, 7, 39, 100, 149):
        before = mix(a=1.0, b=0.3, c=2.0).stream(SOURCES, seed=4)
        before.next(stop)
        state = json.loads(json.dumps(before.state_dict()))
        after = mix(a=1.0, b=0.3, c=2.0).stream(SOURCES, seed=4)
        after.load_state_dict(state)
        assert drawn(after, 150 - stop) == whole[stop:]
        assert after.epoch == (150 // after.size)


def test_the_state_of_another_mix_is_refused():
    state = mix(a=1.0).stream(SOURCES, seed=1).state_dict()
    with pytest.raises(DataError, match="another data_mix"):
        mix(b=1.0).stream(SOURCES, seed=1).load_state_dict(state)


def test_unshuffled_rows_come_in_file_order_again_and_again():
    stream = Mix(train={"a": Share()}, shuffle=False).stream(SOURCES, seed=1)
    assert drawn(stream, 9) == [f"a:train{n % 7}" for n in range(9)]


def test_parts_take_levels_limits_splits_and_one_source_twice():
    parts = {
        "easy": Share(source="c", levels=[0, 1], limit=5),
        "hard": Share(source="c", levels=[3], split="more"),
    }
    examples = Mix(train=parts).stream(SOURCES, seed=1).next(15)
    assert {e.id for e in examples} == {f"c:train{n}" for n in (0, 1, 4, 5, 8)} | {
        f"c:more{n}" for n in range(3, 40, 4)
    }
    with pytest.raises(DataError, match=r"data_mix\.train\.x\.levels=\[9\].*has no row"):
        Mix(train={"x": Share(source="c", levels=[9])}).stream(SOURCES, seed=1)
    with pytest.raises(DataError, match="there is no source 'd'; there are a, b, c"):
        Mix(train={"d": Share()}).stream(SOURCES, seed=1)


def test_held_out_rows_are_the_same_in_every_run_and_a_shorter_list_begins_a_longer_one():
    config = Mix(held_out={"b": Share(), "c": Share()})
    first = [e.id for e in config.stream(SOURCES, seed=1).held_out(20)]
    assert first == [e.id for e in config.stream(SOURCES, seed=2).held_out(20)]
    assert first[:8] == [e.id for e in config.stream(SOURCES, seed=2).held_out(8)]
    everything = [e.id for e in config.stream(SOURCES, seed=1).held_out()]
    assert len(set(everything)) == len(everything) == 50
    uneven = Mix(held_out={"b": Share(weight=9.0), "c": Share(weight=1.0)})
    assert len({e.id for e in uneven.stream(SOURCES, seed=1).held_out()}) == 50


def test_a_mix_without_training_or_held_out_rows_says_so_when_they_are_asked_for():
    stream = Mix(held_out={"a": Share()}).stream(SOURCES, seed=1)
    with pytest.raises(DataError, match=r"data_mix\.train is empty"):
        stream.next(1)
    with pytest.raises(DataError, match=r"data_mix\.held_out is empty"):
        mix(a=None).stream(SOURCES, seed=1).held_out(4)


OVERLAPPING = {"train": Numbered("Q", 10), "test": Numbered("q ", 4, first=8)}


@pytest.mark.parametrize(
    ("choice", "left", "said"),
    [("report", 10, "2 of 10"), ("remove", 8, "2 of 10 .* were dropped")],
)
def test_an_overlap_is_found_despite_case_and_spacing(choice, left, said):
    config = Mix(train={"train": Share()}, held_out={"test": Share()}, overlap=choice)
    with pytest.warns(UserWarning, match=f"data_mix: {said}"):
        stream = config.stream(OVERLAPPING, seed=1)
    assert stream.findings.overlap == 2
    assert stream.size == left
    ids = set(drawn(stream, left))
    assert ("train:train8" in ids) == (choice == "report")


def test_an_overlap_can_be_refused_and_names_rows():
    config = Mix(train={"train": Share()}, held_out={"test": Share()}, overlap="refuse")
    with pytest.raises(DataError, match=r"2 training rows .*train:train8, train:train9"):
        config.stream(OVERLAPPING, seed=1)


def test_duplicates_are_dropped_when_asked_the_first_stays():
    sources = {"a": Numbered("p", 6), "b": Numbered("P", 9)}
    stream = Mix(train={"a": Share(), "b": Share()}, deduplicate=True).stream(sources, seed=1)
    assert stream.findings.duplicates == 6
    assert stream.findings.train == {"a": 6, "b": 3}
    assert len(Mix(train={"a": Share(), "b": Share()}).stream(sources, seed=1).next(15)) == 15


def test_templates_fill_columns_and_leave_other_braces_alone():
    row = {"id": 1, "prompt": "2+{x}", "answer": "4", "solution": None}
    assert (
        fill(r"{prompt} in \boxed{}, {{answer}}: {answer}", row, "k")
        == r"2+{x} in \boxed{}, {answer}: 4"
    )
    assert names("{prompt} {{no}} {answer} {answer}") == ["prompt", "answer"]
    with pytest.raises(
        DataError, match=r"k='\{answr\}': 'answr' is no column of row 1; it has id, prompt, answer"
    ):
        fill("{answr}", row, "k")
    with pytest.raises(DataError, match="'solution' is null in row 1"):
        fill("{solution}", row, "k")


def test_examples_carry_prompt_response_system_and_columns():
    config = Mix(
        train={"a": Share()},
        prompt_template="Q: {prompt}",
        response_template="A:{answer}",
        system="Be brief.",
    )
    example = config.stream(SOURCES, seed=1).next(1)[0]
    number = example.columns["answer"]
    assert (example.prompt, example.response, example.system) == (
        f"Q: a {number}",
        f"A:{number}",
        "Be brief.",
    )
    assert example.id == f"a:train{number}"


def test_a_system_column_speaks_where_the_mix_does_not(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "p", "system": "s"}\n')
    source = Dataset(path=str(path), columns={"prompt": "prompt", "system": "system"})
    assert Mix(train={"x": Share()}).stream({"x": source}, seed=1).next(1)[0].system == "s"


def test_arithmetic_trains_and_holds_out_without_overlap():
    levels = [1, 2, 3]
    config = Mix(
        train={"arithmetic": Share(levels=levels)}, held_out={"arithmetic": Share(levels=levels)}
    )
    stream = config.stream({"arithmetic": Arithmetic()}, seed=1)
    assert stream.findings.overlap == 0
    assert not stream.findings.warnings()
    assert {e.columns["level"] for e in stream.held_out(256)} == set(levels)


def test_random_interruptions_never_change_the_order():
    choose = random.Random(0)
    config = mix(a=1.0, b=3.0, c=2.0)
    whole = drawn(config.stream(SOURCES, seed=9), 300)
    stream, got = config.stream(SOURCES, seed=9), []
    while len(got) < 300:
        got += drawn(stream, min(choose.randint(1, 23), 300 - len(got)))
        state = stream.state_dict()
        stream = config.stream(SOURCES, seed=9)
        stream.load_state_dict(state)
    assert got == whole
