"""A row of a leaderboard says what a model is, what it scored and what it took."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from exportable import RIGHT, Exportable, two_stages

from etude.cli.etude import main as etude


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exportable:
    monkeypatch.chdir(tmp_path)
    return two_stages(tmp_path / "outputs")


def test_a_row_is_a_line_of_json(made: Exportable, capsys: pytest.CaptureFixture[str]) -> None:
    assert etude(["export", "77aa", "--row"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert row["model"] == "rl-3c1e"
    assert row["base"] == "Qwen/Qwen3-0.6B"
    assert row["recipe"] == "mine"
    assert row["stages"] == ["sft", "rl"]
    assert row["method"] == "policy gradient grpo"
    assert row["seed"] == 7
    assert row["overrides"] == ["recipe=mine", "sources.own.path=rows.jsonl", "seed=7"]
    main = row["evaluations"]["main"]
    assert main["data"] == ["openai/gsm8k"]
    assert main["problems"] == len(RIGHT)
    assert main["metrics"]["pass@1"] == {
        "value": RIGHT.mean(),
        "low": RIGHT.mean(),
        "high": RIGHT.mean(),
    }
    # Ten steps of a hundred tokens in each of two stages, on four GPUs for twenty seconds each.
    assert row["cost"]["tokens_sampled"] == 2000
    assert row["cost"]["seconds"] == 40.0
    assert row["cost"]["device_seconds"] == 160.0
    assert row["cost"]["device"] == "cuda"
    assert not Path("outputs/exports").exists()


def test_what_a_stage_did_not_record_is_null_and_not_zero(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made.outputs / "stages/sft-51abaaaa"
    record = json.loads((folder / "DONE.json").read_text())
    del record["device"]
    (folder / "DONE.json").write_text(json.dumps(record))
    (folder / "metrics.jsonl").write_text('{"step": 0, "loss": 1.0}\n')
    record["files"]["metrics.jsonl"]["size"] = (folder / "metrics.jsonl").stat().st_size
    (folder / "DONE.json").write_text(json.dumps(record))
    assert etude(["export", "77aa", "--row"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert cost["tokens_trained"] is None
    assert cost["device_seconds"] is None
    assert cost["device"] is None
    assert cost["seconds"] == 40.0


def test_members_of_a_sweep_are_rows_of_one_table(
    made: Exportable, capsys: pytest.CaptureFixture[str]
) -> None:
    made.trained("9999aaaa", "rl", "51abaaaa")
    made.asked("recipe=mine", "seed=8", stages={"sft": "51abaaaa", "rl": "9999aaaa"})
    made.finish()
    assert etude(["export", "77aa", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["model"] for row in rows] == ["rl-3c1e", "rl-9999"]
    assert [row["main/pass@1"] for row in rows] == [str(RIGHT.mean()), ""]
    assert rows[0]["main/pass@1/low"] == str(RIGHT.mean())
    assert [row["cost/tokens_sampled"] for row in rows] == ["2000", "2000"]
    assert etude(["export", "77aa", "--row", "--to", "x"]) == 2
    assert "--row" in capsys.readouterr().err
