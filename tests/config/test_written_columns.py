"""Rows of an earlier stage have the columns that it writes, known before it has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.schema import built_in

WRITERS = ("generate", "step_pairs", "step_advantages")
READERS = {
    "generated": {"generate", "step_advantages", "step_pairs"},  # the problem's own solution
    "generated_pairs": {"step_pairs"},
    "generated_steps": {"step_advantages"},
}
LEARNS = {"generated": "sft", "generated_pairs": "dpo", "generated_steps": "advantage_weighted"}


def command(writer: str, mix: str, *more: str) -> list[str]:
    return [
        "recipe=rl",
        "pipeline=[first,rl]",
        "+stages.first={}",
        f"stages.first.objective={writer}",
        "stages.first.data_mix=arithmetic",
        f"data_mix={mix}",
        f"objective={LEARNS[mix]}",
        f"sources.{mix}.from_stage=first",
        "evaluation=null",
        *more,
    ]


def test_every_objective_that_writes_rows_says_which_columns() -> None:
    schema = built_in()
    for name, info in schema.components["objective"].items():
        if schema.learner(info.learner or "").hands_on == "data":
            assert any(need.what.startswith("written:") for need in info.provides), name


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("mix", READERS)
def test_a_source_reads_a_stage_that_writes_what_it_maps_and_no_other(
    writer: str, mix: str
) -> None:
    if writer in READERS[mix]:
        prepare(command(writer, mix))
        return
    with pytest.raises(ConfigError) as caught:
        prepare(command(writer, mix))
    (fault,) = caught.value.faults
    assert str(fault).startswith(f"sources.{mix}.from_stage  is first, which writes no column")
    for other in READERS[mix]:
        assert f"stages.first.objective={other}  writes" in str(fault)


def test_columns_of_the_rows_that_were_sampled_from_are_written_too() -> None:
    columns = 'sources.generated.columns.level="grade|level"'
    prepare(command("generate", "generated", columns))
    with pytest.raises(ConfigError, match=r"writes no column grade\|levl; it writes answer, id"):
        prepare(command("generate", "generated", columns.replace("|level", "|levl")))


def test_pairs_of_demonstrations_want_rows_that_have_some(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "1+1=", "answer": "2"}\n')
    asked = [
        "recipe=rl",
        "objective=step_pairs",
        f"sources.mine={{name: dataset, path: {tmp_path}/rows.jsonl}}",
        "~data_mix.train.arithmetic",
        "+data_mix.train.mine.split=train",
        "evaluation=null",
    ]
    prepare(asked)
    with pytest.raises(ConfigError, match="needs the data column 'solution' which is the right"):
        prepare([*asked, "objective.positives=demonstrations"])


def test_a_template_of_rows_that_are_measured_names_columns_that_these_have() -> None:
    asked = ["recipe=sft", "objective=cft", "data_mix=arithmetic_critiques"]
    prepare(asked)  # another template for what is held out
    prepare([*asked, "data_mix.held_out_template=null", "evaluation=null"])
    with pytest.raises(ConfigError, match=r"names the column 'critique'; the source arithmetic p"):
        prepare([*asked, "data_mix.held_out_template=null"])


def test_rows_that_are_only_measured_on_are_not_made_for_training() -> None:
    tide = ["recipe=rl", "curriculum=alp_gmm"]
    prepare([*tide, "curriculum.part=arithmetic"])
    with pytest.raises(ConfigError, match=r"data_mix\.train has the parts arithmetic\. Did you"):
        prepare([*tide, "curriculum.part=arithmetc"])
    with pytest.raises(ConfigError, match=r"needs rows made from parameters to have tasks made"):
        prepare([*tide, "data_mix=arithmetic_critiques"])  # arithmetic is held out there
    both = ["data_mix=arithmetic_critiques", "+data_mix.train.arithmetic.split=train"]
    with pytest.raises(ConfigError, match=r"whose source makes no rows on demand\. arithmetic can"):
        prepare([*tide, *both, "curriculum.part=arithmetic_candidates"])
