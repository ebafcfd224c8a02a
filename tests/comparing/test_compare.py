"""What `etude compare` makes of recorded runs: arms, differences, sentences, fairness, formats."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etude.cli.etude import main
from etude.comparing.fair import overlaps_in
from etude.comparing.printed import lines as lines_of
from etude.comparing.sweep import compared
from etude.data_mix.stream import Findings
from etude.statistics.effects import difference
from evidence import Recorded, dump, lines, samples

RANDOM = np.random.default_rng(11)
RATES = RANDOM.beta(1.0, 1.0, size=(64, 1))
SEEDS = (1, 2, 3)


def drawn(shift: float = 0.0, problems: int = 64, tries: int = 8) -> np.ndarray:
    """Return answers of a model that is right more often by ``shift`` where there is room."""
    chances = np.clip(RATES[:problems] + shift, 0.0, 1.0)
    return RANDOM.random((problems, tries)) < chances


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.chdir(tmp_path)
    return Recorded(tmp_path / "outputs")


def sweep(made: Recorded, shifts: dict[str, float], **more: Any) -> dict[str, list[np.ndarray]]:
    """Write a sweep of objectives × seeds; return the answers of each."""
    found: dict[str, list[np.ndarray]] = {}
    made.evaluation("base", samples(drawn()), name="base")
    for objective, shift in shifts.items():
        for seed in SEEDS:
            key = f"{objective}{seed}"
            found.setdefault(objective, []).append(drawn(shift))
            made.stage(key)
            made.evaluation(f"e{key}", samples(found[objective][-1], **more), key)
            made.member([f"objective={objective}", f"seed={seed}"], key, f"e{key}", "base")
    made.finish()
    return found


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["compare", *words]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(told(capsys, *words, "--json"))


def test_seeds_of_a_setting_are_one_arm_and_pairs_are_matched(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = sweep(made, {"grpo": 0.0, "dapo": 0.25})
    found = as_json(capsys, "77aa")
    assert [(arm["arm"], arm["seeds"]) for arm in found["arms"]] == [
        ("objective=grpo", 3),
        ("objective=dapo", 3),
    ]
    (one,) = found["comparisons"]
    grpo, dapo = (np.stack(answers[name]).mean(axis=2) for name in ("grpo", "dapo"))
    expected = difference(grpo, dapo, matched=True)
    assert one["value"] == pytest.approx(expected.value)
    assert [one["low"], one["high"]] == pytest.approx(expected.interval())
    assert (one["matched"], one["clear"], one["chance"]) == (True, True, 1.0)
    assert one["p"] == one["p_holm"] == pytest.approx(expected.p)
    assert found["arms"][0]["iqm"]["value"] == pytest.approx(
        float(np.median(grpo.mean(axis=1))), abs=0.05
    )
    text = told(capsys, "77aa")
    assert "objective=dapo is better than objective=grpo by" in text
    assert "by difficulty (pass rate of the model before)" in text
    assert "not fair" not in text


def test_runs_that_differ_by_seed_alone_show_no_difference_and_say_what_they_could_have_seen(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    right = drawn()
    for seed in (1, 2):
        made.stage(f"s{seed}")
        # The same share right of every problem: whatever is drawn, nothing moved on average.
        moved = right if seed == 1 else np.vstack([right[32:], right[:32]])
        made.evaluation(f"e{seed}", samples(moved), f"s{seed}")
        made.member(["objective=grpo", f"seed={seed}"], f"s{seed}", f"e{seed}")
    made.finish()
    found = as_json(capsys, "77aa")
    assert [arm["arm"] for arm in found["arms"]] == ["seed=1", "seed=2"]
    (one,) = found["comparisons"]
    assert one["value"] == pytest.approx(0.0)
    assert not one["clear"]
    assert "no difference seen" in one["says"]
    assert f"{one['detectable']:.2g} or more would have been seen" in one["says"]
    assert any("an arm of one model" in note for note in found["notes"])


def test_stages_and_evaluations_are_named_by_head_folder_or_label(
    made: Recorded, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sweep(made, {"grpo": 0.0, "dapo": 0.25})
    by_head = as_json(capsys, "rl-grpo1", "rl-dapo1")
    assert [arm["arm"] for arm in by_head["arms"]] == ["rl-egrp", "rl-edap"]
    by_folder = as_json(capsys, "outputs/stages/rl-grpo1/model", "outputs/evaluations/rl-edapo1")
    assert by_folder["comparisons"][0]["p"] == by_head["comparisons"][0]["p"]
    labelled = as_json(capsys, "old=grpo1,grpo2", "new=rl-dapo1,rl-dapo2", "--against", "new")
    assert [(arm["arm"], arm["seeds"]) for arm in labelled["arms"]] == [("old", 2), ("new", 2)]
    assert labelled["comparisons"][0]["against"] == "new"
    assert labelled["comparisons"][0]["value"] < 0


def test_the_name_of_a_run_is_that_whatever_fingerprint_begins_with_it(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"grpo": 0.0, "dapo": 0.0})
    Recorded(made.outputs, "2026-01-02-other-0b0b").stage("77aa55")
    assert len(as_json(capsys, "77aa")["arms"]) == 2


def test_models_named_in_two_ways_are_matched_by_their_seeds(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"grpo": 0.0})
    made = Recorded(made.outputs, "2026-01-02-other-0b0b")
    for seed in (3, 2, 1):
        made.stage(f"x{seed}xx")
        made.evaluation(f"y{seed}yy", samples(drawn()), f"x{seed}xx", seed=seed)
    found = as_json(capsys, "old=77aa", "new=x3xx,x2xx,x1xx")
    assert found["comparisons"][0]["matched"]


def test_a_narrow_terminal_does_without_what_is_least_needed(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"grpo": 0.0, "dapo": 0.0})
    found = compared(made.folder)
    assert found is not None
    heads = {width: list(lines_of(found, width=width))[1] for width in (None, 110, 60)}
    assert "IQM" in str(heads[None]) and "before" in str(heads[None])
    assert "IQM" not in heads[110] and "before" in heads[110]
    assert "before" not in heads[60] and "difference" in heads[60]


def test_an_axis_of_a_sweep_is_compared_over_all_that_else_was_swept(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    for objective in ("grpo", "rloo"):
        for rate in ("1e-5", "1e-6"):
            key = f"{objective}{rate}"
            made.stage(key)
            made.evaluation(f"e{key}", samples(drawn()), key)
            made.member([f"objective={objective}", f"optimizer.lr={rate}"], key, f"e{key}")
    made.finish()
    assert len(as_json(capsys, "77aa")["arms"]) == 4
    found = as_json(capsys, "77aa", "--by", "objective")
    assert [(arm["arm"], arm["seeds"]) for arm in found["arms"]] == [
        ("objective=grpo", 2),
        ("objective=rloo", 2),
    ]
    assert found["comparisons"][0]["matched"]
    wrong = told(capsys, "77aa", "--by", "seed", code=1)
    assert "they differ in objective, optimizer.lr" in wrong


def test_several_comparisons_are_corrected(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"a": 0.0, "b": 0.02, "c": 0.3})
    found = as_json(capsys, "77aa")
    one, other = found["comparisons"]
    assert other["p_holm"] == pytest.approx(min(1.0, 2 * other["p"]))
    assert one["p_holm"] == pytest.approx(max(other["p_holm"], one["p"]))


UNFAIR = [
    ({"verifier": {"name": "math"}}, "the verifier differs: number for rl-e1"),
    ({"settings": {"temperature": 0.6}}, "temperature differs: 1.0 for rl-e1"),
    ({"settings": {"max_new_tokens": 99}}, "max_new_tokens differs: 40 for"),
    ({"settings": {"seed": 5}}, "evaluation.seed differs"),
    ({"rollout": {"top_p": 0.5, "top_k": 0}}, "rollout.top_p differs: 1.0 for"),
    ({"data_mix": {"prompt_template": "Q: {prompt}"}}, "data_mix.prompt_template differs"),
]


@pytest.mark.parametrize(("other", "said"), UNFAIR)
def test_what_was_measured_otherwise_is_said(
    made: Recorded, capsys: pytest.CaptureFixture[str], other: dict[str, Any], said: str
) -> None:
    made.evaluation("e1aa", samples(drawn()), name="rl")
    made.evaluation("e2aa", samples(drawn()), name="rl", **other)
    assert f" not fair: {said}" in told(capsys, "e1aa", "e2aa")


def test_other_held_out_rows_are_said_and_only_shared_ones_compared(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    right = drawn()
    made.evaluation("e1aa", samples(right))
    made.evaluation("e2aa", samples(right[:40]))
    found = as_json(capsys, "e1aa", "e2aa")
    assert found["problems"] == 40
    assert any("held-out rows differ: 40 problems are in all" in why for why in found["unfair"])
    made.evaluation("e3aa", samples(right, "gsm8k"))
    assert "0 of 64 are in all of them" in told(capsys, "e1aa", "e3aa", code=1)
    renamed = [{**each, "prompt": "another"} for each in samples(right[:2])]
    made.evaluation("e4aa", [*renamed, *samples(right)[16:]])
    found = as_json(capsys, "e1aa", "e4aa")
    assert found["problems"] == 62
    assert any("2 problems have the same id and another prompt" in why for why in found["unfair"])


def test_training_on_what_is_measured_is_said(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"grpo": 0.0, "dapo": 0.0})
    (warning,) = Findings({"a": 10}, {"a": 5}, overlap=3).warnings()
    log = made.stage_folder("grpo1") / "attempts" / "1" / "log"
    log.parent.mkdir(parents=True)
    log.write_text(f"12:00 WARNING {warning}\n12:00 WARNING {warning}\n")
    found = as_json(capsys, "77aa")
    assert found["unfair"] == [
        "objective=grpo trained on what is measured: 3 of 10 training rows have a held-out prompt"
        " (rl)"
    ]
    (removed,) = Findings({"a": 10}, {"a": 5}, overlap=3, removed=True).warnings()
    assert overlaps_in(removed) == []


def test_an_evaluation_that_says_nothing_of_itself_is_compared_with_a_note(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    made.evaluation("e1aa", samples(drawn()), told=False)
    made.evaluation("e2aa", samples(drawn()))
    text = told(capsys, "e1aa", "e2aa")
    assert "note: rl-e1aa does not say what judged" in text


def test_groups_are_by_the_model_before_and_by_source(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    base = np.zeros((8, 4), dtype=bool)
    base[4:] = True  # four problems that were never solved, four that always were
    first, second = base.copy(), base.copy()
    first[:4, :2] = True  # its own pass rate is not what decides how hard they are
    second[:4, :3] = True
    sources = ["easy", "hard"] * 4
    made.evaluation("base", samples(base, sources), name="base")
    for key, right in (("s1", first), ("s2", second)):
        made.stage(key)
        made.evaluation(f"e{key}", samples(right, sources), key)
        made.member([f"objective={key}"], key, f"e{key}", "base")
    made.finish()
    (one,) = as_json(capsys, "77aa")["comparisons"]
    groups = {(g["by"], g["name"]): (g["problems"], g["value"]) for g in one["groups"]}
    assert groups == {
        ("difficulty", "0-0.25"): (4, 0.25),
        ("difficulty", "0.75-1"): (4, 0.0),
        ("source", "easy"): (4, 0.125),
        ("source", "hard"): (4, 0.125),
    }
    assert (one["better"], one["worse"]) == (4, 0)
    text = told(capsys, "77aa")
    assert "0-0.25 (4)" in text
    assert "by source" in text


def test_difficulty_without_a_model_before_favours_no_arm(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two arms that exchange their luck: by one arm's own rate the other would gain where low."""
    first = np.zeros((40, 2), dtype=bool)
    first[:20] = True
    made.evaluation("e1aa", samples(first))
    made.evaluation("e2aa", samples(~first))
    found = as_json(capsys, "e1aa", "e2aa")
    assert found["difficulty"] == "all arms together"
    (only,) = found["comparisons"][0]["groups"]
    assert (only["name"], only["problems"], only["value"]) == ("0.5-0.75", 40, 0.0)


@pytest.mark.parametrize(
    "metric", ["pass@4", "maj@8", "out_of_reach", "length", "truncated", "parts/format"]
)
def test_other_metrics_are_read_from_the_answers(
    made: Recorded, capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    right = drawn()
    made.evaluation("e1aa", samples(right))
    made.evaluation("e2aa", samples(right, length=99, stop_reason="length", parts={"format": 0.5}))
    found = as_json(capsys, "e1aa", "e2aa", "--metric", metric)
    expected = {"length": 99 - 13.5, "truncated": 1.0, "parts/format": -0.5}
    assert found["comparisons"][0]["value"] == pytest.approx(expected.get(metric, 0.0))
    if metric == "pass@4":
        text = told(capsys, "e1aa", "e2aa", "--metric", metric)
        assert "not one of 64 problems came out apart" in text


def test_a_metric_that_answers_do_not_have_is_refused_with_those_that_they_have(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    made.evaluation("e1aa", samples(drawn()))
    made.evaluation("e2aa", samples(drawn()))
    said = told(capsys, "e1aa", "e2aa", "--metric", "style", code=1)
    assert "no 'style'" in said
    assert "parts/accuracy, parts/format" in said
    assert "pass@9 needs 9 answers" in told(capsys, "e1aa", "e2aa", "--metric", "pass@9", code=1)


def test_at_an_equal_budget_each_is_as_it_was_measured_nearest_to_it(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    at_half, at_end = np.ones((8, 2), dtype=bool), np.zeros((8, 2), dtype=bool)
    for key, tokens in (("slow", 100.0), ("fast", 200.0)):
        folder = made.stage(key, steps=10, tokens=tokens)
        in_training = samples(at_half)
        lines(folder / "evaluation_samples.jsonl", [{"step": 5, **each} for each in in_training])
        lines(folder / "evaluations.jsonl", [{"step": 5, "metrics": {}, "settings": {}}])
        made.evaluation(f"e{key}", samples(at_end), key)
        made.member([f"objective={key}"], key, f"e{key}")
    made.finish()
    found = as_json(capsys, "77aa", "--at", "tokens")
    assert [(arm["value"], arm["at"]) for arm in found["arms"]] == [
        (0.0, [1000.0, 1000.0]),
        (1.0, [1000.0, 1000.0]),
    ]
    steps = as_json(capsys, "77aa", "--at", "steps=5")
    assert [arm["value"] for arm in steps["arms"]] == [1.0, 1.0]
    far = as_json(capsys, "77aa", "--at", "time=100")
    assert any("not all were measured at 100 seconds" in note for note in far["notes"])
    assert "--at speed" in told(capsys, "77aa", "--at", "speed", code=2)
    assert "'many' is no number" in told(capsys, "77aa", "--at", "tokens=many", code=2)


def test_csv_has_a_row_for_each_arm_comparison_and_group(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"grpo": 0.0, "dapo": 0.2})
    rows = list(csv.DictReader(io.StringIO(told(capsys, "77aa", "--csv"))))
    kinds = [row["kind"] for row in rows]
    assert kinds[:3] == ["arm", "arm", "comparison"]
    assert set(kinds[3:]) == {"group"}
    found = as_json(capsys, "77aa")
    assert float(rows[2]["p_holm"]) == pytest.approx(found["comparisons"][0]["p_holm"])
    assert float(rows[1]["value"]) == pytest.approx(found["arms"][1]["value"])


def test_members_without_a_measurement_are_named(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    made.member(["objective=ppo", "seed=1"], "ppo1", "eppo1")
    sweep(made, {"grpo": 0.0, "dapo": 0.0})
    text = told(capsys, "77aa")
    assert "note: objective=ppo seed=1 is not measured yet, or that failed" in text
    assert "rl-3ppo" not in text


def test_what_names_nothing_or_too_much_is_refused(
    made: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(made, {"grpo": 0.0, "dapo": 0.0})
    assert "RUN  is missing" in told(capsys, code=2)
    assert "fits 3 folders" in told(capsys, "rl-grpo", "rl-dapo1", code=1)
    assert "is called 'nothing'" in told(capsys, "nothing", "77aa", code=1)
    assert "nothing to compare" in told(capsys, "rl-grpo1", code=1)
    assert "has no evaluation ood (it has main)" in told(
        capsys, "rl-grpo1", "rl-dapo1", "--evaluation", "ood", code=1
    )
    dump(made.outputs / "stray" / "x.json", {})
    assert "is the folder of no run" in told(capsys, "outputs/stray", "77aa", code=1)


def test_help_is_shown_without_reading_anything(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "--help")
    assert "--against" in text
    assert "--at tokens|steps|time" in text
