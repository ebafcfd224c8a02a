"""A function or a class of a file as an evaluation: composed, judged, called on answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from written import composed, planned, refused, write

from etude.build import build
from etude.config.check_gate import handed_on
from etude.errors import DataError
from etude.evaluation.interface import Answers
from etude.plan.rehearsed import faults
from etude.rows import Example, Outcome, Sampled, StopReason, Verdict
from etude.schema import load

FILE = Path(__file__).parents[1] / "measures.py"
PAGE = Path(__file__).parents[2] / "docs/evaluations.md"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "measures.py").write_text(FILE.read_text())


@dataclass
class View:
    """Answers that were sampled before; what asked for them is kept."""

    policy: Any = "the model"
    asked: Any = None

    def problems(self, most: int, max_new_tokens: int | None = None) -> list[Example]:
        return [Example(f"p{n}", "s", f"{n}=", columns={"answer": str(n)}) for n in range(2)][:most]

    def answers(self, problems: list[Example], tries: int = 1, **asked: Any) -> Answers:
        self.asked = asked
        texts = ["a", "a", "b", "0", "1", "1"]
        verdicts = [
            Verdict(Outcome.CORRECT if n % 2 else Outcome.WRONG, {"accuracy": n % 2})
            for n in range(6)
        ]
        sampled = [Sampled((1,) * (n + 1), (0.0,) * (n + 1), StopReason.STOP) for n in range(6)]
        return Answers(problems, sampled, texts, verdicts, 9)


def measured(text: str, name: str, **options: Any) -> Any:
    write(Path(), own=text)
    node = {"name": f"./own.py:{name}", "samples": 3, "bootstrap": 20, **options}
    view = View()
    return build(node, "evaluation").measure(view), view


def test_the_page_shows_the_file_that_is_tried_here() -> None:
    assert f"```python\n{FILE.read_text()}```" in PAGE.read_text()


def test_a_function_is_called_a_problem_at_a_time_and_its_mean_has_an_interval() -> None:
    result, view = measured(
        """
        def score(responses, correct, parts, lengths, prompt, id, answer, *, scale: float = 1.0):
            assert parts["accuracy"] == [float(each) for each in correct]
            assert prompt == f"{answer}=" and id == f"p{answer}"
            return {"most": scale * responses.count("1"), "long": max(lengths)}
        """,
        "score",
        scale=2.0,
        temperature=0.5,
        draws=4,
    )
    metrics = result.evaluation["metrics"]
    assert metrics["most"]["value"] == 2.0 and metrics["long"]["value"] == 4.5
    assert metrics["most"]["low"] <= 2.0 <= metrics["most"]["high"]
    assert result.evaluation["outcomes"]["correct"] == 3
    assert [sample["index"] for sample in result.samples] == [0, 1, 2, 0, 1, 2]
    assert view.asked == {"temperature": 0.5, "seed": 4, "max_new_tokens": None}


def test_a_number_alone_is_called_as_the_function_is() -> None:
    result, _ = measured(
        """
        def share(correct):
            return sum(correct) / 3
        """,
        "share",
    )
    assert list(result.evaluation["metrics"]) == ["share"]


def test_one_that_asks_for_the_view_is_called_once_and_gives_intervals_for_lists() -> None:
    result, view = measured(
        """
        def whole(view):
            return {"model": float(view.policy == "the model"), "many": [1, 2, 3]}
        """,
        "whole",
    )
    assert view.asked is None
    assert result.evaluation["metrics"]["model"] == {"value": 1.0}
    assert set(result.evaluation["metrics"]["many"]) == {"value", "low", "high"}


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        ("None", "returned nothing (None) for the metric 'score'"),
        ("'much'", "'much', a str"),
        ("float('nan')", "nan"),
        ("1 / 0", "ZeroDivisionError"),
        ("{'a': 1} if id == 'p0' else {'b': 1}", "metrics a of one problem and b of another"),
    ],
)
def test_what_is_no_metric_is_an_error_that_names_the_function(returns: str, said: str) -> None:
    text = f"""
        def score(id):
            found = {returns}
            return found
        """
    with pytest.raises(DataError) as raised:
        measured(text, "score")
    assert said in str(raised.value)
    assert "score (own.py:2)" in str(raised.value)


def test_it_may_be_named_by_a_gate_and_hand_on_where_its_metrics_are_known() -> None:
    own = "evaluations.agreement.evaluation=./measures.py:agreement"
    calm = "evaluations.calm.evaluation=./measures.py:Calm"
    assert composed(own, calm, "training.hand_on=-calm/longer").runs
    assert composed(own, "stages.rl.gate.metric=agreement/agreement").runs
    said = refused(own, calm, "training.hand_on=calm/longr", "stages.rl.gate.metric=agrement/x")
    assert "Did you mean calm/longer?" in said and "agreement/agreement" in said


def test_one_that_does_not_say_what_it_gives_chooses_no_model() -> None:
    write(
        Path(),
        open="""
        def score(responses):
            return dict(zip("ab", responses))
        """,
    )
    said = refused("evaluations.open.evaluation=./open.py:score", "training.hand_on=open/a")
    assert "does not say which metrics it gives" in said


def test_what_cannot_be_called_is_refused_when_composed() -> None:
    write(
        Path(),
        wrong="""
        def both(view, responses):
            return 1.0


        def column(responses, sollution):
            return 1.0


        def taken(responses, *, samples: int = 3):
            return 1.0
        """,
    )
    place = "evaluations.own.evaluation=./wrong.py:"
    assert "asks for view and for responses" in refused(f"{place}both")
    assert "needs the data column 'sollution'" in refused(f"{place}column")
    assert "has an option 'samples', which every such part has" in refused(f"{place}taken")
    assert "Did you mean samples?" in refused(
        "evaluations.own.evaluation=./measures.py:agreement", "evaluations.own.evaluation.sampels=2"
    )


def test_its_code_counts_for_what_it_measures_and_for_no_stage(tmp_path: Path) -> None:
    own = ("evaluations.own.evaluation=./measures.py:agreement",)
    first = planned(tmp_path, *own)
    file = tmp_path / "measures.py"
    file.write_text(file.read_text().replace("/ len(responses)", "/ (len(responses) + 1)"))
    other = planned(tmp_path, *own)
    assert first.stages.keys() == other.stages.keys()
    assert len(first.evaluations.keys() & other.evaluations.keys()) == 2


def test_a_plain_rule_about_the_last_model_asks_for_nothing() -> None:
    ((_, (stage,)),) = composed("training.hand_on=last").runs
    assert list(handed_on(stage.config, load())) == []


def test_a_function_that_fails_on_made_up_answers_is_told_before_anything_trains(
    tmp_path: Path,
) -> None:
    write(
        Path(),
        slips="""
        def slip(responses, lengths):
            return sum(lengths) / len(respnses)


        def fine(responses, correct, answer):
            return float(answer in responses)
        """,
    )
    place = "evaluation=./slips.py:"
    graph = planned(tmp_path, f"evaluations.a.{place}slip", f"evaluations.b.{place}fine")
    (fault,) = faults(graph, load())
    assert fault.typed == "evaluations.a.evaluation=./slips.py:slip"
    assert "NameError" in fault.message and "slips.py:3" in fault.message
