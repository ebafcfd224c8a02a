"""`etude verify`: answers of a file judged, as a table and as JSON; faults by file and line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etude.cli.completion import candidates
from etude.cli.etude import main as etude
from etude.config.installation import installed
from etude.rows import Candidate, Outcome, Verdict
from etude.verifying.answers import Answer
from etude.verifying.table import Rate, Table

ROWS: list[dict[str, Any]] = [
    {"id": "a", "response": "The answer is 4", "answer": "4", "ok": True},
    {"id": "b", "response": "#### 5", "answer": "4", "ok": "right"},
    {"id": "c", "completion": "dunno", "answer": "4", "ok": 0},
    {"id": "c", "response": "4", "answer": None, "ok": "wrong"},
    {"response": "#### 7", "answer": "7.0", "ok": "no_answer"},
    {"response": "#### 8", "answer": "8", "ok": None},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))
    return tmp_path


@pytest.mark.slow
def test_a_table_tells_outcomes_disagreements_rates_and_the_slowest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert etude(["verify", "rows.jsonl", "verifier=number", "label=ok"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("rows.jsonl · 6 answers · verifier number\n")
    assert "correct    3   50.0%" in said
    assert "1 × refused: row c cannot be judged: its answer is null" in said
    assert "2 of 4 agree with ok; 2 without a label or a verdict are left out" in said
    assert "line 3 (b): labelled right, wrong: read '5'; the right answer is '4'" in said
    assert "line 9: labelled wrong, correct: read '7'; the right answer is '7.0'" in said
    assert "slowest: line " in said


@pytest.mark.slow
def test_json_has_every_row_and_the_table_with_its_rates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["verify", "rows.jsonl", "--json", "label=ok", "execution.verifier_workers=2"]
    assert etude(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["outcome"] for row in found["rows"]] == [
        "correct",
        "wrong",
        "no_answer",
        "refused",
        "correct",
        "correct",
    ]
    assert found["rows"][1] | {"seconds": 0.0} == {
        "id": "b",
        "line": 3,
        "outcome": "wrong",
        "parts": {"accuracy": 0.0, "format": 1.0, "length": 2.0},
        "reason": "read '5'; the right answer is '4'",
        "extracted": "5",
        "seconds": 0.0,
        "label": True,
    }
    table = found["table"]
    assert table["label"] == {"column": "ok", "rows": 4, "agree": 2}
    assert {name: (r["share"], r["n"]) for name, r in table["rates"].items()} == {
        "false_positive": (0.5, 2),
        "false_negative": (0.5, 2),
    }
    assert 0 < table["seconds"]["p50"] <= table["seconds"]["p99"] <= table["seconds"]["max"]


@pytest.mark.slow
def test_the_columns_of_a_file_may_have_other_names_and_a_function_of_a_file_may_judge(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gzip.open("other.jsonl.gz", "wt") as file:
        file.write(json.dumps({"solution": "x4", "gold": "4"}))
    Path("reward.py").write_text(
        "def score(response, answer):\n    return {'accuracy': float(response.endswith(answer))}\n"
    )
    words = ["other.jsonl.gz", "columns.response=solution", "columns.answer=gold"]
    assert etude(["verify", *words, "verifier=./reward.py:score", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["id"], row["outcome"], row["parts"]) == ("1", "correct", {"accuracy": 1.0})


@pytest.mark.slow
def test_a_verifier_that_fails_on_too_many_ends_with_1_and_the_table_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert etude(["verify", "rows.jsonl", "verifier.most_failed=0.1"]) == 1
    told = capsys.readouterr()
    assert "refused    1" in told.out
    assert "rows.jsonl: the verifier failed on 1 of 6 answers" in told.err
    assert "have to be mended, or left out" in told.err


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        (
            b'{"response": "1"}\n',
            [],
            "line 1: no row has the column 'answer', which verifier number",
        ),
        (b'{"answer": "1"}\n', [], "line 1: it has neither 'response' nor 'completion'"),
        (b'{"answer": "1"}', ["columns.response=text"], "line 1: it has no column 'text'"),
        (b'{"response": null}', [], "line 1: its response is None, and has to be text"),
        (b'\n{"response": "\xff"}', [], "line 2: byte 14 of it is no UTF-8"),
        (b'{"response": "1"', [], "line 1: it is no JSON"),
        (b'{"response": ' + b"[" * 100_000, [], "line 1: it cannot be read as JSON"),
        (b'["response"]', [], "line 1: it is list, and a row is an object"),
        (b"\n", [], "there is no row in it"),
        (b'{"response": "1", "answer": "1"}', ["label=ok"], "line 1: it has no column 'ok'"),
        (b'{"response": "1", "ok": 3}', ["label=ok"], "its label ok is 3, and has to be true or"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_file_and_line(
    text: bytes, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.jsonl").write_bytes(text)
    assert etude(["verify", "bad.jsonl", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bad.jsonl")
    assert says in error


def test_all_that_is_wrong_with_the_command_is_told_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [
        "none.jsonl",
        "rows.jsonl",
        "verifier=numbr",
        "optimizer.lr=3",
        "label=",
        "-m",
        "--jsn",
    ]
    assert etude(["verify", *words]) == 2
    error = capsys.readouterr().err
    for said in (
        "Seven things to mend",
        "none.jsonl      there is no such file",
        "rows.jsonl      is a second file, beside none.jsonl",
        "Did you mean number?",
        "etude verify does not read optimizer; it reads label=COLUMN and verifier, models",
        "label=          needs the name of a column",
        "--multirun      has no use in etude verify",
        "--jsn           there is no such flag",
    ):
        assert said in error
    assert etude(["verify"]) == 2
    assert "etude verify FILE verifier=NAME" in capsys.readouterr().err


def test_a_verifier_that_asks_a_model_is_refused_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("asks.py").write_text(
        "from dataclasses import dataclass\n"
        "from etude.component import Need, component\n"
        "from etude.verifier.opened import OpenedVerifier\n"
        "@component(requires=[Need('model:judge', why='to ask it')], provides=['part:accuracy'])\n"
        "@dataclass(frozen=True)\n"
        "class Asks(OpenedVerifier):\n"
        "    def open(self, host):\n"
        "        return host.model('judge')\n"
    )
    assert etude(["verify", "rows.jsonl", "verifier=./asks.py:Asks"]) == 2
    error = capsys.readouterr().err
    assert "needs the model 'judge' to ask it" in error
    assert "models.judge=" in error


def test_help_and_refusals_import_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from etude.cli.etude import main\n"
        "main(['verify', '--help']); main(['verify', 'rows.jsonl', 'verifier=numbr'])\n"
        "print([name for name in ('torch', 'sympy', 'transformers') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("etude verify — ")
    assert done.stdout.endswith("[]\n")


def test_a_shell_completes_what_the_command_reads() -> None:
    here = installed()
    assert candidates("etude", "etude ver", here) == ["verify"]
    assert candidates("etude", "etude verify rows.jsonl verifier=num", here) == [
        "verifier=number",
        "verifier=number_strict",
    ]
    keys = candidates("etude", "etude verify rows.jsonl verifier=number verifier.to", here)
    assert keys == ["verifier.tolerance="]
    assert candidates("etude", "etude verify rows.jsonl opt", here) == []
    assert candidates("etude", "etude verify rows.jsonl --j", here) == ["--json"]


# Numbers of Wilson's interval by hand, at z = 1.96: 8 of 10, 0 of 10, 10 of 10.
@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0.0, 1.0)],
)
def test_an_interval_is_wilsons(count: int, n: int, low: float, high: float) -> None:
    rate = Rate.of(count, n)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-4)
    assert rate.share == (count / n if n else None)


def test_a_partly_right_answer_is_not_right_and_a_failure_is_neither() -> None:
    def judged(label: bool, verdict: Verdict) -> tuple[Answer, Verdict]:
        return Answer(1, Candidate("a", 0, "", "x", {}), label), verdict

    half = Verdict(Outcome.PARTIAL, {"accuracy": 0.5}, tokens=7)
    lost = Verdict(Outcome.CRASHED, {}, detail="out of reach")
    table = Table([judged(True, half), judged(False, half), judged(True, lost)], "ok")
    rates = table.rates
    assert (rates["false_negative"].share, rates["false_negative"].n) == (1.0, 1)
    assert (rates["false_positive"].share, rates["false_positive"].n) == (0.0, 1)
    summary = table.as_json()["table"]
    assert (summary["partial_share"], summary["tokens"]) == (0.5, 14)
    assert "the verifier failed on 1: 1 × crashed: out of reach" in "\n".join(table.lines())


LOOKS = """\
from dataclasses import dataclass

from etude.component import Need, component
from etude.rows import Outcome, Verdict
from etude.verifier.asked import AskedModel
from etude.verifier.opened import Judging, OpenedVerifier


@component(requires=[Need("model:judge", why="to ask it")], provides=["part:accuracy"])
@dataclass(frozen=True)
class Asks(OpenedVerifier):
    def open(self, host):
        return Asking(AskedModel(host, "judge"))


class Asking(Judging):
    def __init__(self, model):
        self.model = model

    def judge(self, candidates):
        texts, seeds = [c.response for c in candidates], [c.seed for c in candidates]
        replies = self.model.answers(texts, seeds, max_new_tokens=2)
        return [
            Verdict(Outcome.WRONG, {"accuracy": 0.0}, reply.text, tokens=reply.read + reply.tokens)
            for reply in replies
        ]
"""


@pytest.mark.slow
def test_a_verifier_that_asks_a_model_is_given_it_and_says_what_it_took(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from etude.model.scratch import Scratch

    small = Scratch(hidden_size=32, layers=1, heads=2, kv_heads=1, intermediate_size=32)
    small.create(1, torch.device("cpu")).save(folder / "judge")
    Path("asks.py").write_text(LOOKS)
    words = ["verify", "rows.jsonl", "verifier=./asks.py:Asks", "models.judge=judge", "--json"]
    assert etude(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["outcome"] for row in found["rows"]} == {"wrong"}
    assert all(row["tokens"] > 1 and row["seconds"] > 0 for row in found["rows"])
    assert found["table"]["tokens"] == sum(row["tokens"] for row in found["rows"])
