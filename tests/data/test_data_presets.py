"""The presets of sources and mixes, on real files where they are at hand."""

import os
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from composing import composed_node
from etude.build import build
from etude.rows import Candidate, Outcome
from etude.verifier.number import Number

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("ETUDE_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the folder with real problems is absent (ETUDE_DATA, {DATA})"
)


def preset(group: str, name: str) -> DictConfig:
    """Return a preset with what its defaults list lays under it."""
    if group == "sources":
        return OmegaConf.create(composed_node("sources")[name])
    return OmegaConf.create(composed_node(group, f"{group}={name}"))


def source(name: str, **changes):
    return build(
        OmegaConf.to_container(OmegaConf.merge(preset("sources", name), changes)), "sources"
    )


def mix(name: str, **changes):
    return build(
        OmegaConf.to_container(OmegaConf.merge(preset("data_mix", name), changes)), "data_mix"
    )


def test_every_source_builds():
    names = [path.stem for path in (ROOT / "conf" / "sources").glob("*.yaml")]
    assert names
    for name in names:
        build(OmegaConf.to_container(preset("sources", name)), "sources")


def test_every_mix_refers_to_sources_there_are():
    sources = {path.stem for path in (ROOT / "conf" / "sources").glob("*.yaml")}
    for path in (ROOT / "conf" / "data_mix").glob("*.yaml"):
        built = mix(path.stem)
        for name, part in {**built.train, **built.held_out}.items():
            assert (part.source or name) in sources, path


def test_the_arithmetic_mixes_give_prompts_and_demonstrations_of_the_same_rows():
    sources = {"arithmetic": source("arithmetic")}
    prompts = mix("arithmetic").stream(sources, 1)
    worked = mix("arithmetic_worked").stream(sources, 1)
    for bare, shown in zip(prompts.next(50), worked.next(50), strict=True):
        assert bare.id == shown.id
        assert bare.response is None
        assert shown.response == shown.columns["solution"]
    assert [e.id for e in prompts.held_out(50)] == [e.id for e in worked.held_out(50)]


@needs_data
def test_gsm8k_reads_the_whole_local_copy_and_its_answers_are_numbers():
    gsm8k = source("gsm8k", path=str(DATA / "gsm8k"))
    worked = mix("gsm8k_worked").stream({"gsm8k": gsm8k}, 1)
    assert worked.findings.train == {"gsm8k": 7473}
    assert worked.findings.held_out == {"gsm8k": 1319}
    assert worked.findings.overlap == 0
    verifier = Number()
    for example in worked.held_out():
        assert "<<" not in example.response
        row = Candidate(example.id, 0, example.prompt, example.response, example.columns)
        assert verifier.judge(row).outcome is Outcome.CORRECT
    assert len({e.id for e in worked.next(7473)}) == 7473


@needs_data
def test_the_original_form_of_gsm8k_gives_the_same_rows(tmp_path):
    import json

    local = source("gsm8k", path=str(DATA / "gsm8k")).rows("test", 0)
    with (
        (DATA / "gsm8k" / "test.jsonl").open(encoding="utf-8") as file,
        (tmp_path / "test.jsonl").open("w", encoding="utf-8") as out,
    ):
        for line in list(file)[:200]:
            row = json.loads(line)
            text = f"{row['solution']}\n#### {row['answer']}"
            out.write(json.dumps({"question": row["problem"], "answer": text}) + "\n")
    original = source("gsm8k", path=str(tmp_path)).rows("test", 0)
    for place in range(200):
        for column in ("prompt", "solution", "answer"):
            assert original[place][column] == local[place][column]


@needs_data
def test_svamp_under_its_other_column_names():
    rows = source("svamp", path=str(DATA / "svamp" / "svamp.jsonl")).rows("test", 0)
    assert len(rows) == 1000
    assert rows[0]["id"] == "svamp-chal-1"
    assert rows[0]["prompt"].startswith("Each pack of dvds costs 76 dollars.")
    assert (rows[0]["answer"], rows[0]["solution"]) == ("51", "( 76.0 - 25.0 )")
    by_hand = source(
        "svamp", path=str(DATA / "svamp"), columns={"prompt": "question", "context": "body"}
    )
    stream = mix("svamp", prompt_template="{context} {prompt}").stream({"svamp": by_hand}, 1)
    prompts = {example.prompt for example in stream.held_out()}
    assert prompts == set(rows.column("prompt"))


@needs_data
def test_olympiadbench_is_only_measured_on():
    sources = {"olympiadbench": source("olympiadbench", path=str(DATA / "olympiadbench"))}
    stream = mix("olympiadbench").stream(sources, 1)
    examples = stream.held_out()
    assert len(examples) == 338
    assert all(e.columns["answer"] and e.prompt.endswith("\\boxed{}.\n") for e in examples)


@needs_data
def test_an_overlap_of_real_files_is_found_and_removed():
    gsm8k = source("gsm8k", path=str(DATA / "gsm8k"))
    changes = {"train": {"gsm8k": {"split": "test"}}, "held_out": {"gsm8k": {"limit": 100}}}
    with pytest.warns(UserWarning, match="100 of 1319 training rows have a held-out prompt"):
        stream = mix("gsm8k", **changes).stream({"gsm8k": gsm8k}, 1)
    assert stream.findings.overlap == 100
    assert stream.size == 1219


@needs_data
def test_the_mixed_preset_keeps_its_weights_on_real_rows():
    sources = {
        "gsm8k": source("gsm8k", path=str(DATA / "gsm8k")),
        "arithmetic": source("arithmetic"),
    }
    stream = mix("mixed").stream(sources, 1)
    stream.next(400)
    assert stream.counts == {"gsm8k": 300, "arithmetic": 100}
