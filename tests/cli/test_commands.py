"""The three commands as a person meets them: text, exit codes, and nothing heavy imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from etude.cli.completion import candidates
from etude.cli.etude import main as etude
from etude.cli.evaluate import main as evaluate
from etude.cli.train import main as train
from etude.config.installation import installed

HEAVY = ("torch", "transformers", "datasets", "wandb", "rich.live", "pandas")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_group_and_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--help"]) == 0
    text = capsys.readouterr().out
    for group in ("objective", "data_mix", "launcher", "recipe"):
        assert f"\n  {group} " in text
    assert "train -m objective=grpo,rloo seed=1,2" in text
    assert max(map(len, text.splitlines())) <= 100
    assert evaluate(["-h"]) == 0
    assert "evaluate checkpoint=" in capsys.readouterr().out
    assert etude([]) == 0
    assert "etude plan OVERRIDES" in capsys.readouterr().out


def test_a_refused_command_exits_2_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["objective=gprpo", "--nonsense", "optimizer.lr=fast"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Three things to mend in this command:")
    assert "Did you mean grpo?" in error
    assert "there is no such flag" in error
    assert "Nothing was started." in error
    assert "Traceback" not in error


def test_where_an_error_comes_from_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--traceback", "objective=gprpo"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_flags_of_hydra_that_mean_nothing_here_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--config-dir", "x"], ["--config-name=y"], ["--cfg", "hydra"], ["--hydra-help"]):
        assert train(words) == 2, words
    assert "conf/, recipes/ and launchers/" in capsys.readouterr().err


def test_the_composed_config_is_printed_and_its_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--cfg", "job", "optimizer.lr=3e-5"]) == 0
    root = yaml.safe_load(capsys.readouterr().out)
    assert root["optimizer"]["lr"] == 3e-5
    assert root["pipeline"] == ["sft", "rl"]
    assert train(["-c", "job", "-p", "execution", "--resolve"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["threads"] == 2
    assert train(["-c", "job", "-p", "exekution"]) == 2
    assert "execution" in capsys.readouterr().err


def test_info_says_where_choices_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--info"]) == 0
    assert "Choices come from" in capsys.readouterr().out


def test_list_has_one_line_a_choice_with_its_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert etude(["list", "objective"]) == 0
    text = capsys.readouterr().out
    (line,) = [line for line in text.splitlines() if line.startswith("  grpo ")]
    assert "policy gradient" in line
    assert "arXiv 2402.03300" in line
    assert "(objective/advantage=…)" in text
    assert "(objective/regularizer='[…]')" in text
    assert etude(["list"]) == 0
    assert "quickstart" in capsys.readouterr().out
    assert etude(["list", "objectiv"]) == 2
    assert "Did you mean objective?" in capsys.readouterr().err


def test_show_prints_every_stage_resolved_with_its_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert etude(["show", "seed=5"]) == 0
    text = capsys.readouterr().out
    sft, rl = yaml.safe_load_all(text)
    assert sft["sft"]["seed"] == rl["rl"]["seed"] == 5
    assert rl["rl"]["objective"]["advantage"]["name"]
    assert "# stage rl · policy gradient · after sft · starts from sft" in text
    assert "needs the data column 'answer'" in text


def test_plan_describes_what_would_be_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert etude(["plan", "-m", "objective=grpo,rloo", "seed=1,2"]) == 0
    text = capsys.readouterr().out
    assert "6 stages for 4 runs" in text


def test_an_unknown_command_says_which_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert etude(["pln"]) == 2
    assert "Did you mean plan?" in capsys.readouterr().err
    assert etude(["train"]) == 2
    assert "a command of its own" in capsys.readouterr().err
    assert etude(["objective=grpo"]) == 2
    assert "train objective=grpo" in capsys.readouterr().err


def test_evaluate_needs_a_model_and_reads_only_what_measures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert evaluate(["training.steps=3", "objective=grpo"]) == 2
    error = capsys.readouterr().err
    assert "checkpoint" in error
    assert "evaluate does not read training" in error
    assert "evaluate does not read objective" in error
    assert evaluate(["checkpoint=no/such/folder"]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert evaluate(["checkpont=x"]) == 2
    assert "Did you mean checkpoint?" in capsys.readouterr().err


def test_completion_offers_groups_choices_keys_and_values() -> None:
    here = installed()

    def offered(line: str, command: str = "train") -> list[str]:
        return candidates(command, line, here)

    assert "objective=" in offered("train obj")
    assert "objective=grpo" in offered("train objective=gr")
    assert "optimizer.lr=" in offered("train optimizer.")
    assert "objective/advantage=rloo" in offered("train objective/advantage=")
    assert "debug=true" in offered("train debug=")
    assert "execution.device=cpu" in offered("train execution.device=c")
    assert "stages.rl.training.steps=" in offered("train stages.rl.training.")
    assert "stages.rl.objective=gspo" in offered("train stages.rl.objective=gs")
    assert "objective=grpo,rloo" in offered("train -m objective=grpo,rl")
    assert offered("train --he") == ["--help"]
    assert offered("etude pl", "etude") == ["plan"]
    assert "recipe=gsm8k" in offered("etude plan recipe=gs", "etude")
    assert offered("train 'un") == []


def test_completion_knows_slots_of_every_group_and_what_earlier_words_put_there() -> None:
    here = installed()

    def offered(line: str) -> list[str]:
        return candidates("train", line, here)

    second = "objective.extra_update.relift.optimizer"
    assert "objective.advantage=rloo" in offered("train objective.advantage=rl")
    assert "stages.rl.objective.policy_loss=clipped" in offered(
        "train stages.rl.objective.policy_loss=cl"
    )
    assert f"{second}.lr=" in offered(f"train recipe=relift {second}.")
    assert f"{second}=adamw" in offered(f"train recipe=relift {second}=ad")
    assert f"{second}.schedule=cosine" in offered(f"train objective=relift {second}.schedule=")
    falling = f"train objective=relift {second}.schedule=cosine {second}.schedule."
    assert f"{second}.schedule.final_factor=" in offered(falling)
    assert offered(f"train objective=grpo {second}.") == []
    assert "models.judge.model=qwen3_4b" in offered("train models.judge.model=qwen3")
    assert "model@models.judge.model=small" in offered("train model@models.judge.model=sm")
    judge = "train models.judge.model=pretrained models.judge.model."
    assert "models.judge.model.path=" in offered(judge)
    shaped = "train objective/shaping=[kl_penalty] objective.shaping."
    assert "objective.shaping.kl_penalty.coef=" in offered(shaped)
    assert "stages.sft.objective.token_loss=" in offered("train stages.sft.objective.tok")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["objective.advantage"], "rloo"),
        (["stages.rl.objective.policy_loss"], "clip_higher"),
        (["models.judge.model"], "qwen3_4b"),
        (["objective=relift", "objective.extra_update.relift.optimizer"], "adamw_fine_tuning"),
        (["objective/extra_update"], "objective.extra_update.relift.optimizer=…"),
        (["models"], "models.ROLE.model=…"),
    ],
)
def test_list_shows_what_fills_a_place(
    words: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert etude(["list", *words]) == 0
    assert shown in capsys.readouterr().out


def test_the_scripts_of_completion_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["-sc", "install=bash"]) == 0
    script = capsys.readouterr().out
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert train(["-sc", "install=tcsh"]) == 2


def test_bash_completes_through_the_installed_script(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(["-sc", "install=bash"])
    script = capsys.readouterr().out
    command = empty_folder / "train"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nfrom etude.cli.train import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    asked = (
        f"{script}\nCOMP_LINE='./train objective=gsp'; COMP_POINT=21; COMP_CWORD=1\n"
        "COMP_WORDS=(./train objective=gsp); COMP_WORDBREAKS=' '; _etude_complete\n"
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], text=True, capture_output=True)
    assert done.stdout.strip() == "objective=gspo", done.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("train", ["--help"]),
        ("train", ["objective=gprpo"]),
        ("train", ["--cfg", "job"]),
        ("etude", ["list"]),
        ("etude", ["show"]),
        ("etude", ["plan"]),
    ],
)
def test_nothing_heavy_is_imported_before_something_runs(
    module: str, words: list[str], empty_folder: Path
) -> None:
    program = (
        f"import sys\nfrom etude.cli.{module} import main\nmain({words!r})\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True)
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stderr
