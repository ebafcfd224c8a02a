"""An export holds the weights that were trained, with a card that says nothing but what is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from exportable import CONFIG, HOME, RIGHT, Exportable, two_stages, weights

from etude.cli.etude import main as etude
from etude.plan.nodes import GateEdge
from etude.plan.references import Folder, Made, as_json
from evidence import done, dump, samples


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exportable:
    monkeypatch.chdir(tmp_path)
    return two_stages(tmp_path / "outputs")


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert etude(["export", *words]) == code
    said = capsys.readouterr()
    return said.out + said.err


def front(folder: Path) -> dict[str, Any]:
    """Return the front matter of a card as YAML reads it."""
    _, head, _ = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head)  # type: ignore[no-any-return]


def test_the_weights_are_those_that_the_stage_published(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, "rl-3c1e", "--to", "out")
    assert "next     etude push out OWNER/NAME" in said
    assert Path("out/model.safetensors").read_bytes() == weights(2)
    record = json.loads(Path("out/etude.json").read_text())
    recorded = json.loads((made.outputs / "stages/rl-3c1eaaaa/DONE.json").read_text())["files"]
    assert record["files"]["model.safetensors"]["published"]
    assert (
        record["files"]["model.safetensors"]["sha256"]
        == recorded["model/model.safetensors"]["sha256"]
    )
    assert record["fingerprint"] == "3c1eaaaa"
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "README.md",
        "config.json",
        "etude.json",
        "model.safetensors",
        "recipe.yaml",
    ]


def test_weights_of_the_same_size_that_are_others_are_refused(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.outputs / "stages/rl-3c1eaaaa/model/model.safetensors").write_bytes(weights(3))
    said = told(capsys, "rl-3c1e", "--to", "out", code=1)
    assert "model.safetensors is not as stage rl published it (its hash differs)" in said
    assert not Path("out").exists()
    assert not list(Path().glob(".out*"))


@pytest.mark.parametrize(
    "word",
    ["3c1e", "77aa", "2026-01-01-sweep-77aa", "e1aa", "outputs/stages/rl-3c1eaaaa"],
)
def test_a_model_is_named_by_its_stage_its_run_or_its_evaluation(
    made: Exportable, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    told(capsys, word)
    folder = made.outputs / "exports" / "rl-3c1e"
    assert (folder / "model.safetensors").read_bytes() == weights(2)


@pytest.mark.parametrize(
    "place",
    [
        "stages/rl-3c1eaaaa",
        "stages/rl-3c1eaaaa/model",
        "runs/2026-01-01-sweep-77aa",
        "runs/2026-01-01-sweep-77aa/stages/rl-3c1eaaaa",
        "evaluations/rl-e1aaaaaa",
    ],
)
def test_a_folder_is_read_with_the_results_that_it_lies_in(
    made: Exportable,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    told(capsys, str(made.outputs / place), "--to", "out")
    text = Path("out/README.md").read_text()
    assert "| pass@1 | 0.38 [0.38, 0.38] | 0.62 [0.62, 0.62] |" in text
    assert "train recipe=mine" in text


def test_other_models_of_a_run_are_asked_for_by_name(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "77aa", "--stage", "sft", "--to", "sft")
    assert Path("sft/model.safetensors").read_bytes() == weights(3)
    told(capsys, "rl-3c1e", "--role", "critic", "--to", "critic")
    assert Path("critic/model.safetensors").read_bytes() == weights(-1.0)
    # What was measured is the policy: a critic has none of its figures.
    assert "model-index" not in front(Path("critic"))
    assert "--role critic" in told(capsys, "rl-3c1e", "--role", "judge", code=1)
    assert "Did you mean sft?" in told(capsys, "77aa", "--stage", "stf", code=1)


def test_the_card_says_what_the_hub_reads(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "77aa", "--to", "out", "--license", "apache-2.0", "--name", "mine")
    head = front(Path("out"))
    assert head["base_model"] == "Qwen/Qwen3-0.6B"
    assert head["base_model_relation"] == "finetune"
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "transformers"
    assert head["datasets"] == ["openai/gsm8k"]
    assert {"etude", "policy_gradient", "grpo"} <= set(head["tags"])
    ((entry,),) = ([index["results"] for index in head["model-index"]],)
    (result,) = entry
    assert result["dataset"] == {
        "name": "openai/gsm8k",
        "type": "openai/gsm8k",
        "config": "main",
        "split": "test",
    }
    (metric,) = result["metrics"]
    assert metric["type"] == "pass@1"
    assert metric["value"] == RIGHT.mean()
    assert metric["args"]["low"] == metric["args"]["high"] == RIGHT.mean()
    assert metric["args"]["problems"] == len(RIGHT)

    from huggingface_hub import ModelCard

    card = ModelCard.load("out/README.md")
    (read,) = card.data.eval_results
    assert (read.metric_type, read.metric_value) == ("pass@1", RIGHT.mean())
    assert card.data.model_name == "mine"


def test_the_card_says_how_to_do_it_again_with_figures_before_and_after(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "77aa", "--to", "out")
    text = Path("out/README.md").read_text()
    assert "| main | openai/gsm8k, 4 problems" in text
    assert "| pass@1 | 0.38 [0.38, 0.38] | 0.62 [0.62, 0.62] |" in text
    assert "Qwen/Qwen3-0.6B → sft → rl" in text
    assert "train recipe=mine sources.own.path=rows.jsonl seed=7" in text
    assert "torch 2.13.0" in text
    recipe = yaml.safe_load(Path("out/recipe.yaml").read_text())
    assert list(recipe["stages"]) == ["sft", "rl"]
    assert recipe["stages"]["rl"]["training"]["steps"] == 4


def test_nothing_in_an_export_says_where_it_was_made_or_holds_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**CONFIG, "model": {"name": "pretrained", "path": f"{HOME}/base"}}
    remembered = {"name_or_path": f"{HOME}/base", "vocab_file": f"{HOME}/base/v.json"}
    tokenizer = json.dumps({**remembered, "eos": "/a/b"}).encode()
    two_stages(tmp_path / "outputs", config, **{"tokenizer_config.json": tokenizer})
    said = told(capsys, "77aa", "--to", "out")
    assert "tokenizer_config.json now says base, v.json, not where that lay here" in said
    assert "the base is a folder; --base OWNER/NAME" in said
    for path in Path("out").iterdir():
        text = path.read_bytes().decode(errors="replace")
        for secret in ("someone", "secret place", "not for anybody", str(tmp_path), "/tmp/x/y"):
            assert secret not in text, (path, secret)
    now = json.loads(Path("out/tokenizer_config.json").read_text())
    assert now == {"name_or_path": "base", "vocab_file": "v.json", "eos": "/a/b"}
    assert "base_model" not in front(Path("out"))
    assert front(Path("out"))["license"] == "unknown"


def test_a_relative_folder_is_not_taken_for_a_name_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = {**CONFIG, "model": {"name": "pretrained", "path": "models/qwen"}}
    made = two_stages(tmp_path / "outputs", config)
    words = ("77aa", "--outputs", str(made.outputs), "--overwrite", "--to", "out")
    told(capsys, *words)
    assert front(Path("out"))["base_model"] == "models/qwen"  # nothing speaks against it
    dump(made.outputs / ".hashes.json", {"/srv/me/models/qwen/config.json": [1, 1, "ab"]})
    told(capsys, *words)
    assert "base_model" not in front(Path("out"))
    (made.outputs / ".hashes.json").unlink()
    about = json.loads((made.folder / "environment.json").read_text())
    dump(made.folder / "environment.json", {**about, "folder": str(tmp_path)})
    (tmp_path / "models" / "qwen").mkdir(parents=True)
    told(capsys, *words)
    assert "base_model" not in front(Path("out"))


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: llama3.2\n---\n# it", "llama3.2"),
        ("---\nlicense: [a]\n---\n", "unknown"),
        ("---\n- a list\n---\n", "unknown"),
        ("no front matter", "unknown"),
    ],
)
def test_the_licence_is_that_of_the_card_of_the_base(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    card: str,
    licence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "README.md").write_text(card)
    config = {**CONFIG, "model": {"name": "pretrained", "path": str(tmp_path / "base")}}
    two_stages(tmp_path / "outputs", config)
    said = told(capsys, "77aa", "--to", "out", "--base", "org/base")
    assert front(Path("out"))["license"] == licence
    assert front(Path("out"))["base_model"] == "org/base"
    assert ("--license NAME says it" in said) == (licence == "unknown")


def test_what_lies_in_the_way_is_left_alone(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    for more in ((), ("--overwrite",)):
        assert "holds no export" in told(capsys, "77aa", "--to", "mine", *more, code=1)
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]

    told(capsys, "77aa", "--to", "out")
    Path("out/notes.txt").write_text("of a person")
    assert "--overwrite replaces its files" in told(capsys, "77aa", "--to", "out", code=1)
    told(capsys, "77aa", "--to", "out", "--stage", "sft", "--overwrite")
    assert Path("out/model.safetensors").read_bytes() == weights(3)
    assert Path("out/notes.txt").read_text() == "of a person"
    assert "is a file" in told(capsys, "77aa", "--to", "out/notes.txt", code=1)
    inside = "outputs/stages/rl-3c1eaaaa/model/out"
    assert "holds what a stage" in told(capsys, "77aa", "--to", inside, code=1)


def test_a_stage_that_is_not_finished_is_refused(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.outputs / "stages/rl-3c1eaaaa/DONE.json").unlink()
    assert "rl-3c1eaaaa is not finished" in told(capsys, "rl-3c1e", code=1)
    assert "etude resume 77aa goes on with it" in told(capsys, "77aa", code=1)
    told(capsys, "77aa", "--stage", "sft", "--to", "out")


def test_a_sweep_has_one_model_for_each_member(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    made.trained("9999aaaa", "rl", "51abaaaa")
    made.asked("recipe=mine", "seed=8", stages={"sft": "51abaaaa", "rl": "9999aaaa"})
    made.finish()
    said = told(capsys, "77aa", code=1)
    assert "'77aa' has 2 models; type one of them: rl-3c1e (" in said
    assert "rl-9999 (seed=8)" in said


def test_words_that_mean_nothing_are_told_with_what_to_type(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "STAGE" in told(capsys, code=2)
    said = told(capsys, "77aa", "--base", "noowner", "--license", "My Own", "--name", "a/b", code=2)
    assert "Three things to mend" in said
    assert "--row" in told(capsys, "77aa", "3c1e", code=2)
    assert "is called 'nothing'" in told(capsys, "nothing", code=1)


def test_an_evaluation_counts_where_it_measured_these_weights_and_no_others(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = made.outputs / "stages/rl-3c1eaaaa"
    files = json.loads((stage / "DONE.json").read_text())["files"]
    own = {
        name.removeprefix("model/"): entry["sha256"]
        for name, entry in files.items()
        if name.startswith("model/")
    }
    # As `evaluate checkpoint=…` writes it: a folder with the hashes it had.
    measured = {
        "copied": Folder(Path("/elsewhere/model"), own),
        "exported": Folder(Path("/elsewhere/out"), {**own, "etude.json": "1", "recipe.yaml": "2"}),
        "added": Folder(Path("/elsewhere/out"), {**own, "adapter_config.json": "1"}),
        "others": Folder(stage / "model", {**own, "model.safetensors": "0" * 64}),
        "critic": Made("3c1eaaaa", "roles/critic"),
    }
    for number, (of, reference) in enumerate(measured.items()):
        folder = made.evaluation(f"d{number}aaaaaa", samples(RIGHT), "3c1eaaaa", of=of)
        about = json.loads((folder / "evaluation.json").read_text())
        dump(folder / "evaluation.json", {**about, "inputs": {"model": as_json(reference)}})
        (folder / "DONE.json").unlink()
        done(folder, "rl", f"d{number}aaaaaa")
    told(capsys, "3c1e", "--to", "out")
    text = Path("out/README.md").read_text()
    assert "| copied |" in text
    assert "| exported |" in text
    assert "| added |" not in text
    assert "| others |" not in text
    assert "| critic |" not in text


def test_a_stage_that_a_gate_passed_over_is_not_in_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for at_least, row in ((0.9, "Qwen/Qwen3-0.6B → rl."), (0.1, "Qwen/Qwen3-0.6B → sft → rl.")):
        outputs = tmp_path / f"outputs-{at_least}"
        made = two_stages(outputs)
        gate = GateEdge("51abaaaa", "e0aaaaaa", "pass@1", at_least, "keep_previous")
        node = made.graph.stages["3c1eaaaa"]
        object.__setattr__(node, "kept", (gate,))
        made.finish()
        told(capsys, "3c1e", "--outputs", str(outputs), "--to", f"out-{at_least}")
        assert row in Path(f"out-{at_least}/README.md").read_text()


def test_a_stage_that_no_run_asks_for_is_exported_without_what_is_not_known(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(made.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    made.folder.rmdir()
    said = told(capsys, "rl-3c1e", "--to", "out")
    assert "no run here asked for this stage" in said
    text = Path("out/README.md").read_text()
    assert "The command that trained it is not recorded" in text
    assert "| main |" in text
    assert "pass@1 |  | 0.62" in text


def test_adapters_are_exported_with_a_base_that_others_can_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    about = {"peft_type": "LORA", "base_model_name_or_path": f"{HOME}/sft/model"}
    card = f"---\nbase_model: {HOME}/sft/model\n---\n".encode()
    files = {"adapter_config.json": json.dumps(about).encode(), "README.md": card}
    two_stages(tmp_path / "outputs", **files)
    assert "so nobody else could load them" in told(capsys, "3c1e", "--to", "out", code=1)
    assert not Path("out").exists()
    told(capsys, "3c1e", "--to", "out", "--base", "me/sft")
    now = json.loads(Path("out/adapter_config.json").read_text())
    assert now == {"peft_type": "LORA", "base_model_name_or_path": "me/sft"}
    head = front(Path("out"))
    assert head["library_name"] == "peft"
    assert head["base_model"] == "me/sft"
    assert head["base_model_relation"] == "adapter"
    record = json.loads(Path("out/etude.json").read_text())["files"]
    assert not record["adapter_config.json"]["published"]
    assert record["model.safetensors"]["published"]


def test_names_and_prompts_of_anybody_are_text_on_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = "a|b<script>`x`\n---\n# \x1b[31m"
    config = {**CONFIG, "data_mix": {"train": {evil: {"split": evil}}, "held_out": {}}}
    two_stages(tmp_path / "outputs", config)
    told(capsys, "3c1e", "--to", "out")
    text = Path("out/README.md").read_text()
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\x1b" not in text
    assert front(Path("out"))["library_name"] == "transformers"


def test_the_hash_of_a_file_is_told_where_it_is_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n{}\n")
    os.utime(rows, ns=(10**18, 10**18))
    sources = {"own": {"name": "dataset", "path": str(rows)}}
    mix = {"train": {"own": {"split": "train"}}, "held_out": {}}
    made = two_stages(tmp_path / "outputs", {**CONFIG, "sources": sources, "data_mix": mix})
    dump(made.outputs / ".hashes.json", {str(rows): [rows.stat().st_size, 10**18, "ab" * 32]})
    for name in ("sft-51abaaaa", "rl-3c1eaaaa"):
        attempt = made.outputs / "stages" / name / "attempts" / "1"
        dump(attempt / "attempt.json", {"started": "2020-01-01T00:00:00+0000"})
    told(capsys, "3c1e", "--to", "out")
    assert "the file rows.jsonl, 2 rows" in Path("out/README.md").read_text()
    assert "rows.jsonl abababababababab" in Path("out/README.md").read_text()

    # Younger than the stage: nobody knows any more what was read.
    dump(attempt / "attempt.json", {"started": "1999-01-01T00:00:00+0000"})
    dump(
        attempt.parents[2] / "sft-51abaaaa/attempts/1/attempt.json",
        {"started": "1999-01-01T00:00:00+0000"},
    )
    told(capsys, "3c1e", "--to", "out", "--overwrite")
    text = Path("out/README.md").read_text()
    assert "abababab" not in text
    assert "has changed since" in text


def test_an_evaluation_that_chose_the_weights_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = two_stages(tmp_path / "outputs", {**CONFIG, "training": {"hand_on": "best"}})
    folder = made.outputs / "stages/rl-3c1eaaaa"
    record = json.loads((folder / "DONE.json").read_text())
    dump(folder / "DONE.json", {**record, "model_step": 6})
    told(capsys, "3c1e", "--to", "out")
    text = Path("out/README.md").read_text()
    assert "also chose which step's weights these are" in text
    assert "after step 6 of 10" in text


def test_help_and_refusals_load_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from etude.cli.etude import main\n"
        "codes = [main(['export', '--help']), main(['export']), main(['push', '--help']),"
        " main(['push', 'nothing', 'a b']), main(['export', 'none', '--row'])]\n"
        "heavy = ('torch', 'transformers', 'pandas', 'huggingface_hub', 'datasets', 'matplotlib')\n"
        "print(codes, [name for name in heavy if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert said.stdout.splitlines()[-1] == "[0, 2, 0, 2, 1] []"
