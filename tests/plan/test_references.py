"""What a reference means: the order in which it is read, and what it leads to in a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_graph import Stage, config, schema_of

from etude.plan.inputs import Given, reader_of
from etude.plan.references import (
    Base,
    Folder,
    Hub,
    Made,
    Start,
    as_json,
    of_json,
    output_of,
    parse,
)

STAGES = ("sft", "rl")

REFERENCE = {"type": "str", "optional": True, "default": None, "doc": "", "kind": "result"}
REFERENCE |= {"choices": None, "bounds": {}, "learners": []}
SCHEMA = schema_of(
    objective__sft={},
    objective__ppo={"fields": {}, "provides": [{"what": "output:roles/critic"}]},
    objective__pair={
        "fields": {
            "judge": {
                **REFERENCE,
                "type": {"struct": {"load": {**REFERENCE, "form": "model reference"}}},
            }
        }
    },
    rollout__plain={},
    evaluation__pass_at_k={"fields": {"base": {**REFERENCE, "form": "samples reference"}}},
    sources__rows={"fields": {"from_stage": {**REFERENCE, "form": "rows reference"}}},
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, so that nothing happens to be called as a reference is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("base", Base()),
        ("start", Start()),
        ("start.critic", Start("critic")),
        ("rl", Made("rl", "")),
        ("rl.critic", Made("rl", "critic")),
        ("rl.roles/critic", Made("rl", "roles/critic")),
        ("Qwen/Qwen3-0.6B", Hub("Qwen/Qwen3-0.6B")),
        ("handed_on", None),
        ("lr", None),
        ("lr.critic", None),
        ("rl.", None),
        ("", None),
        (".", Folder(Path())),
        ("./rl", None),
        ("/nowhere/at/all", None),
        ("a/b/c", None),
        ("~nobody/here", None),
        ("x" * 5000, None),
        ("\0", None),
    ],
)
def test_a_text_is_read_in_one_order(text: str, meant: Any, here: Path) -> None:
    meant = Folder(here) if text == "." else meant
    assert parse(text, STAGES) == meant


def test_a_stage_is_meant_before_a_folder_and_a_folder_before_the_hub(here: Path) -> None:
    for name in ("rl", "base", "start.critic", "org/model"):
        (here / name).mkdir(parents=True)
    assert parse("base", STAGES) == Base()
    assert parse("rl", STAGES) == Made("rl", "")
    assert parse("start.critic", STAGES) == Start("critic")
    assert parse("./rl", STAGES) == Folder(here / "rl")
    assert parse("org/model", STAGES) == Folder(here / "org" / "model")
    # A name beside a folder that is there is a misspelt folder, and none on the hub.
    assert parse("org/modle", STAGES) is None


def test_the_folder_of_a_stage_means_its_model(here: Path) -> None:
    (here / "sft-1" / "model").mkdir(parents=True)
    assert parse("sft-1", STAGES) == Folder(here / "sft-1")
    (here / "sft-1" / "model" / "config.json").write_text("{}")
    assert parse("sft-1", STAGES) == Folder(here / "sft-1" / "model")


def test_handed_on_is_the_output_of_the_places_own_role() -> None:
    assert parse("handed_on", STAGES, role="critic") == Start("critic")


def test_an_output_is_named_by_itself_or_by_its_role() -> None:
    outputs = ("model", "roles/critic")
    assert output_of("critic", outputs) == output_of("roles/critic", outputs) == "roles/critic"
    assert output_of("model", outputs) == "model"
    assert output_of("data", outputs) is None


@pytest.mark.parametrize(
    "value",
    [
        Base(),
        Made("f0", "roles/x"),
        Hub("a/b"),
        Folder(Path("/x"), {"a": "1"}),
        (Made("f"), Base()),
    ],
)
def test_an_input_that_is_written_is_read_again(value: Any) -> None:
    read: Any = of_json(json.loads(json.dumps(as_json(value))))
    assert read == value
    if isinstance(value, Folder):
        assert read.files == value.files


def given(*stages: Stage, left_out: tuple[str, ...] = ()) -> dict[str, Given]:
    found, misfits = reader_of(SCHEMA).of(stages, left_out)
    assert not misfits
    return found


def misfits(*stages: Stage, left_out: tuple[str, ...] = ()) -> list[str]:
    found = reader_of(SCHEMA).of(stages, left_out)[1]
    return [f"{each.stage}: {each.path} {each.message}" for each in found]


def ppo(name: str, **more: Any) -> Stage:
    rollout = {"name": "plain", "model_from": more.pop("sampler", None)}
    settings = config(objective={"name": "ppo"}, rollout=rollout)
    return Stage(name, settings, "policy_gradient", **more)


def test_start_means_what_the_stage_starts_from_wherever_it_is_written() -> None:
    first, second = given(
        Stage("sft", config()), ppo("rl", after=("sft",), sampler="start")
    ).values()
    assert first.trained == {"start": Base()}
    assert second.trained == {"start": Made("sft"), "rollout.model_from": Made("sft")}


def test_the_output_of_a_role_is_found_by_stage_and_beside_the_start() -> None:
    critic = Made("a", "roles/critic")
    for text in ("a.critic", "a.roles/critic", "start.critic"):
        found = given(ppo("a"), ppo("b", after=("a",), sampler=text))
        assert found["b"].trained["rollout.model_from"] == critic
    found = given(ppo("a"), ppo("b", after=("a",), start_from="a.critic"))
    assert found["b"].trained["start"] == critic


def test_the_output_beside_a_folder_is_a_folder(here: Path) -> None:
    for name in ("model", "critic"):
        (here / "old" / name).mkdir(parents=True)
    found = given(ppo("b", start_from="old/model", sampler="start.critic"))
    assert found["b"].trained["rollout.model_from"] == Folder(here / "old" / "critic")
    (told,) = misfits(ppo("b", start_from="old/model", sampler="start.judge"))
    assert "rollout.model_from is start.judge, and there is no" in told and "old/judge" in told


def test_a_reference_inside_a_struct_is_an_input_like_any_other_and_no_role() -> None:
    def stages(load: str) -> tuple[Stage, Stage]:
        objective = {"name": "pair", "judge": {"load": load}}
        return Stage("sft", config()), Stage("rl", config(objective=objective), after=("sft",))

    found = given(*stages("sft"))
    assert found["rl"].trained["objective.judge.load"] == Made("sft")
    (told,) = misfits(*stages("handed_on"))
    assert told.startswith("rl: objective.judge.load is handed_on, neither a stage")


def test_a_list_of_references_is_a_list_of_inputs() -> None:
    stages = (Stage("sft", config()), ppo("rl", after=("sft",), sampler=["base", "sft", "start"]))
    found = given(*stages)["rl"].trained["rollout.model_from"]
    assert found == (Base(), Made("sft"), Made("sft"))
    (told,) = misfits(stages[0], ppo("rl", after=("sft",), sampler=["base", "stf"]))
    assert "is stf, neither" in told


def test_a_stage_that_writes_rows_passes_on_the_model_it_started_from() -> None:
    stages = (Stage("sft", config()), Stage("sample", config(), "generate", after=("sft",)))
    last = ppo("rl", after=("sample",), sampler="sample")
    assert given(*stages, last)["rl"].trained == {
        "start": Made("sft"),
        "rollout.model_from": Made("sft"),
    }


def reading(name: str, source: str, **more: Any) -> Stage:
    mix = {"train": {"made": {}}}
    sources = {"made": {"name": "rows", "from_stage": source}}
    return Stage(name, config(data_mix=mix, sources=sources), **more)


def test_rows_are_not_a_model_and_a_model_is_no_rows() -> None:
    stages = (Stage("sft", config()), Stage("sample", config(), "generate", after=("sft",)))
    found = given(*stages, reading("distil", "sample", after=("sample",)))
    assert found["distil"].trained["sources.made.from_stage"] == Made("sample", "data")
    assert misfits(*stages, reading("distil", "sft", after=("sample",))) == [
        "distil: sources.made.from_stage is sft, and the stage sft hands on model."
    ]
    assert misfits(*stages, reading("distil", "sft.model", after=("sample",))) == [
        "distil: sources.made.from_stage is sft.model, which is a model, and rows are read here."
    ]
    assert misfits(*stages, ppo("rl", after=("sample",), sampler="sample.data")) == [
        "rl: rollout.model_from is sample.data, which is rows, and a model is loaded here."
    ]
    (told,) = misfits(*stages, reading("distil", "base", after=("sample",)))
    assert "rows are read that a stage wrote, one of sft, sample, distil." in told


def test_what_a_stage_starts_from_is_no_rows_and_the_rows_beside_it_no_model(here: Path) -> None:
    stages = (Stage("sft", config()), Stage("sample", config(), "generate", after=("sft",)))
    for text in ("start", "start.model"):
        (told,) = misfits(*stages, reading("distil", text, after=("sample",)))
        assert told.endswith(f"is {text}, which is a model, and rows are read here.")
    for name in ("model", "data"):
        (here / "old" / name).mkdir(parents=True)
    (told,) = misfits(ppo("rl", start_from="old/model", sampler="start.data"))
    assert told.endswith("is start.data, which is rows, and a model is loaded here.")
    (told,) = misfits(reading("distil", "start.data", start_from="old/model"))
    assert told.endswith("and rows are read that a stage of this pipeline wrote.")


def test_an_output_beside_the_start_survives_its_gate_as_one_that_is_named() -> None:
    first, reads = Stage("a", config()), {"after": ("b",), "sampler": "start.critic"}
    (told,) = misfits(first, ppo("b", after=("a",), gate=KEEPS), ppo("c", **reads))
    assert "the gate of b may keep what was there before it" in told
    stages = [ppo("a"), ppo("b", after=("a",), gate=KEEPS), ppo("c", **reads)]
    assert given(*stages)["c"].trained["rollout.model_from"] == Made("b", "roles/critic")


NEITHER = "neither a stage of this pipeline (sft, rl) nor a folder that exists."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stf", f"{NEITHER} Did you mean sft?"),
        ("rl.critc", "and the stage rl hands on model, critic. Did you mean critic?"),
        ("sft.critic", "and the stage sft hands on model."),
        ("strat", f"{NEITHER} Did you mean start?"),
        ("./modls", f"{NEITHER} Did you mean ./models?"),
        ("start.critic", "and the stage sft hands on model."),
        ("warm", "and the pipeline leaves that stage out."),
        ("warm.critic", "and the pipeline leaves that stage out."),
    ],
)
def test_a_misspelt_reference_is_told_with_the_nearest_names(
    text: str, told: str, here: Path
) -> None:
    (here / "models").mkdir()
    stages = (Stage("sft", config()), ppo("rl", after=("sft",), sampler=text))
    assert misfits(*stages, left_out=("warm",)) == [f"rl: rollout.model_from is {text}, {told}"]


def test_beside_the_base_model_nothing_lies() -> None:
    (told,) = misfits(ppo("rl", sampler="start.critic"))
    assert told.endswith("and the stage starts from the base model, which no stage made.")


def test_start_from_names_something_else_than_start() -> None:
    (told,) = misfits(Stage("sft", config()), ppo("rl", after=("sft",), start_from="start"))
    assert told.startswith("rl: start_from is start, and start is what this key says")


def test_circles_are_named_once_whatever_reference_closes_them() -> None:
    waiting = [Stage("a", config(), after=("c",)), Stage("b", config(), after=("a",))]
    assert misfits(*waiting, Stage("c", config(), after=("b",))) == [
        "a: after waits for itself: a → c → b → a."
    ]
    assert misfits(ppo("a", sampler="b"), ppo("b", after=("a",))) == [
        "a: after waits for itself: a → b → a."
    ]
    assert misfits(ppo("a", start_from="b"), ppo("b", start_from="a")) == [
        "a: after waits for itself: a → b → a."
    ]
    assert misfits(reading("a", "b"), Stage("b", config(), "generate", after=("a",))) == [
        "a: after waits for itself: a → b → a."
    ]


def measured(name: str, source: str, **more: Any) -> Stage:
    mix = {"train": {"a": {}}, "held_out": {"made": {}}}
    sources = {"a": {}, "made": {"name": "rows", "from_stage": source}}
    return Stage(name, config(data_mix=mix, sources=sources, **more.pop("groups", {})), **more)


LATE = "comes after the stage that is measured: there is nothing of it yet."


def test_nothing_is_measured_on_the_rows_of_a_stage_that_comes_after_it() -> None:
    first, sample = measured("sft", "sample"), Stage("sample", config(), "generate", after=("sft",))
    told = f"sft: data_mix.held_out.made holds out rows of sample, which {LATE}"
    assert misfits(first, sample) == [told]
    assert misfits(sample, first) == [told]  # whatever is written first
    between = Stage("rl", config(), after=("sft",))
    sample = Stage("sample", config(), "generate", after=("rl",))
    assert misfits(first, between, sample) == [told]
    # They are opened without an evaluation too: to tell which prompts are trained on as well.
    unmeasured = measured("sft", "sample", groups={"evaluation": None})
    assert misfits(unmeasured, between, sample) == [told]


def test_where_nothing_is_held_out_no_source_is_read() -> None:
    first = measured("sft", "sample", groups={"evaluation": None})
    first.config["data_mix"] = {"train": {"a": {}}, "held_out": {}}
    assert not misfits(first, Stage("sample", config(), "generate", after=("sft",)))


def test_rows_of_a_stage_that_rests_on_nothing_here_may_measure_an_earlier_one() -> None:
    sample = Stage("sample", config(), "generate")
    found = given(measured("sft", "sample"), sample)
    assert found["sft"].measured == {"sources.made.from_stage": Made("sample", "data")}


def test_a_stage_that_writes_rows_holds_none_of_its_own_out() -> None:
    (told,) = misfits(Stage("sft", config()), measured("sample", "sample", learner="generate"))
    assert "holds out rows of sample, which is the stage itself" in told


def test_a_copy_of_a_repeated_stage_is_meant_by_every_reference() -> None:
    second = {"rl": "rl-1", "sample": "sample-2"}
    stages = (
        Stage("sample-2", config(), "generate"),
        ppo("rl-1"),
        ppo("rl-2", after=("rl-1",), sampler="rl.critic", renamed=second),
        reading("read", "sample", after=("rl-1",), renamed=second),
    )
    found = given(*stages)
    assert found["rl-2"].trained["rollout.model_from"] == Made("rl-1", "roles/critic")
    assert found["read"].trained["sources.made.from_stage"] == Made("sample-2", "data")


def test_before_the_first_round_a_model_is_what_the_rounds_begin_with() -> None:
    first = {"rl": ""}
    sft = Stage("sft", config())
    found = given(sft, ppo("rl-1", after=("sft",), sampler="rl", renamed=first))
    assert found["rl-1"].trained["rollout.model_from"] == Made("sft")
    for stage in (
        ppo("rl-1", after=("sft",), sampler="rl.critic", renamed=first),
        reading("rl-1", "rl", after=("sft",), renamed=first),
    ):
        (told,) = misfits(sft, stage)
        assert told.endswith("and before the first round no rl has run.")


def test_the_samples_of_an_evaluation_are_an_input_of_who_measures(here: Path) -> None:
    (here / "measured").mkdir()
    file = here / "measured" / "samples.jsonl"
    evaluation = {"name": "pass_at_k", "base": "measured"}
    (told,) = misfits(Stage("sft", config(evaluation=evaluation)))
    assert told == "sft: evaluation.base is measured, and no samples of an evaluation lie there."
    file.write_text("{}")
    for base in ("measured", "measured/samples.jsonl"):
        found = given(Stage("sft", config(evaluation={**evaluation, "base": base})))
        assert found["sft"].measured == {"evaluation.base": Folder(file)}
        assert found["sft"].trained == {"start": Base()}


KEEPS = {"metric": "pass@1", "at_least": 0.5, "on_fail": "keep_previous"}


def test_what_a_gate_keeps_has_the_output_that_is_named() -> None:
    reads = {"after": ("b",), "sampler": "b.critic"}
    stages = [ppo("a"), ppo("b", after=("a",), gate=KEEPS), ppo("c", **reads)]
    assert given(*stages)["c"].trained["rollout.model_from"] == Made("b", "roles/critic")
    stages[0] = Stage("a", config())
    assert misfits(*stages) == [
        "c: rollout.model_from is b.critic, and the gate of b may keep what was there before it,"
        " and the stage a hands on model."
    ]
    stages[1] = ppo("b", after=("a",), gate={**KEEPS, "on_fail": "stop"})
    assert not misfits(*stages)
    stages = [ppo("a", gate=KEEPS), ppo("b", after=("a",), gate=KEEPS), ppo("c", **reads)]
    (told,) = misfits(*stages)
    assert told.endswith("and the stage starts from the base model, which no stage made.")


def test_a_gate_keeps_no_output_beside_a_folder(here: Path) -> None:
    for name in ("model", "roles/critic"):
        (here / "old" / name).mkdir(parents=True)
    first = ppo("b", start_from="old/model", gate=KEEPS)
    (told,) = misfits(first, ppo("c", after=("b",), sampler="b.critic"))
    assert told.endswith("and that is no output of a stage.")
