"""Real runs with a person's own files: trained, killed, edited and taken up again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from written import REWARD, write

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

SMALL = small(ROWS)
COMMAND = ("recipe=rl", "training.steps=2", "execution.checkpoint_every=1", *SMALL)
PLACE = "verifier=./reward.py:score"
SECTION = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTION = SECTION.partition("## Your own reward\n")[2].partition("\n## ")[0]


def stages(place: Place) -> dict[str, bytes]:
    """Return the weights and metrics of every stage, by its folder."""
    found = {}
    for path in (place.folder / "outputs/stages").glob("*/*"):
        if path.name == "model":
            found[f"{path.parent.name}/model"] = (path / "model.safetensors").read_bytes()
        elif path.name in ("metrics.jsonl", "samples.jsonl"):
            found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


def test_what_the_readme_shows_trains_and_an_option_makes_another_stage(here: Place) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    (typed,) = re.findall(r"```\n(train .*?)```", SECTION, re.DOTALL)
    (here.folder / "reward.py").write_text(code)
    assert code.count("\n") == 7
    for line in typed.splitlines():
        command, *words = shlex.split(line)
        ended = here.run(command, *words, *COMMAND)
        assert ended.code == 0, ended.said
        assert "reward: accuracy + brevity, each once" in " ".join(ended.out.split())
    assert len(list(here.folder.glob("outputs/stages/rl-*/DONE.json"))) == 2


def test_killed_and_taken_up_again_it_equals_an_uninterrupted_run_to_the_bit(
    here: Place, tmp_path_factory: pytest.TempPathFactory, warm: object
) -> None:
    write(here.folder, reward=REWARD)
    whole = Place(tmp_path_factory.mktemp("whole"), here.warm)
    write(whole.folder, reward=REWARD)
    assert whole.train(*COMMAND, PLACE).code == 0
    started = here.start(
        "train",
        *COMMAND,
        PLACE,
        at=Moment("etude.learner.trainee:Trainee.update", 2),
    )
    started.reach()
    started.kill()
    ended = here.train(*COMMAND, PLACE)
    assert ended.code == 0, ended.said
    assert stages(here) == stages(whole) != {}


def test_a_changed_line_starts_nothing_until_one_of_two_ways_is_chosen(here: Place) -> None:
    write(here.folder, reward=REWARD)
    assert here.train(*COMMAND, PLACE).code == 0
    before = stages(here)
    text = (here.folder / "reward.py").read_text()
    (here.folder / "reward.py").write_text(f"# Only a comment.\n{text}")
    assert "nothing was left to do" in here.train(*COMMAND, PLACE).said
    (here.folder / "reward.py").write_text(text.replace("1 + len", "2 + len"))
    refused = here.train(*COMMAND, PLACE)
    assert refused.code == 2 and "reward.py differs" in refused.said, refused.said
    used = here.train(*COMMAND, PLACE, "execution.accept_code=true")
    assert used.code == 0 and stages(here) == before, used.said


def test_a_run_goes_on_with_the_file_it_began_with(here: Place) -> None:
    write(here.folder, reward=REWARD)
    command = (*COMMAND, PLACE)
    started = here.start(
        "train",
        *command,
        at=Moment("etude.learner.trainee:Trainee.update", 2),
    )
    started.reach()
    started.kill()
    write(here.folder, reward="def score(response):\n    return {'other': 1.0}\n")
    elsewhere = here.folder / "elsewhere"
    elsewhere.mkdir()
    outputs = str(here.folder / "outputs")
    ended = Place(elsewhere, here.warm).run("etude", "resume", "rl", "--outputs", outputs)
    assert ended.code == 0, ended.said
    assert "reward.py is not what it was;" in ended.err
    (metrics,) = here.folder.glob("outputs/stages/rl-*/metrics.jsonl")
    last = metrics.read_text().splitlines()[-1]
    assert "reward/brevity/raw" in last and "other" not in last


def test_every_kind_of_function_and_jobs_that_run_the_copy(here: Place) -> None:
    docs = (Path(__file__).parents[2] / "docs/own_code.md").read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", docs, re.DOTALL)
    for name, text in zip(("adv", "loss", "keep", "rows", "reg"), code, strict=True):
        (here.folder / f"{name}.py").write_text(text)
    text = (
        (here.folder / "loss.py")
        .read_text()
        .replace("advantages, *", "advantages, reference_logprobs, *")
    )
    text = text.replace("    ratio", "    assert reference_logprobs.any()\n    ratio")
    (here.folder / "loss.py").write_text(text)
    write(here.folder, reward=REWARD)
    ended = here.train(
        *COMMAND,
        PLACE,
        "objective/advantage=./adv.py:mine",
        "objective.advantage.scale=0.5",
        "objective/policy_loss=./loss.py:mine",
        "objective/filter=./keep.py:mine",
        "sources.mine=./rows.py:rows",
        "sources.mine.n=50",
        "+data_mix.train.mine.split=train",
        "data_mix/filter=[./keep.py:short]",
        "data_mix.filter.short.most=30",
        "objective/regularizer=[./reg.py:Mine]",
        "objective.regularizer.Mine.free=0.01",
        "launcher=local_pool",
    )
    assert ended.code == 0, ended.said
    (run,) = (here.folder / "outputs/runs").iterdir()
    kept = sorted(path.name for path in run.glob("by_path/*/*.py"))
    assert kept == ["adv.py", "keep.py", "loss.py", "reg.py", "reward.py", "rows.py"]


def test_a_function_that_fails_on_some_answers_leaves_them_out_and_says_where(
    here: Place,
) -> None:
    write(
        here.folder,
        reward="""
        def score(response, columns):
            if response.strip() == columns["answer"] or columns["solution"] in response:
                return 1.0
            return {}["missing"] if len(response) % 2 else len(response) / 100
        """,
    )
    ended = here.train(*COMMAND, PLACE)
    assert ended.code == 0, ended.said
    (samples,) = here.folder.glob("outputs/stages/rl-*/samples.jsonl")
    assert "KeyError: 'missing' (reward.py:5)" in samples.read_text()
