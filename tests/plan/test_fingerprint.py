"""What counts in a fingerprint, and what does not."""

from __future__ import annotations

import copy
import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from etude.plan import digest
from etude.plan.digest import FileHashes, code_hashes, module_file
from etude.plan.fingerprint import Fingerprints, evaluation_fingerprint, identity
from etude.plan.references import Base, Folder, Made
from etude.schema import ComponentInfo, LearnerInfo, Schema, parse


def field(type_: Any, default: Any = None, **more: Any) -> dict[str, Any]:
    common = {"optional": False, "doc": "", "kind": "result", "choices": None, "bounds": {}}
    return {"type": type_, "default": default, **common, **more}


def component(cls: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    common = {"class": cls, "doc": "", "source": ""}
    return {**common, "fields": fields, "requires": [], "provides": [], "conflicts": [], **more}


def schema(module: str = "etude.component") -> Schema:
    plain = component(f"{module}:X", {})
    groups = {
        "model": {
            "scratch": component(
                f"{module}:M",
                {
                    "width": field("int", 8),
                    "path": field("str", None),
                    "dtype": field("str", "auto"),
                },
            )
        },
        "objective": {
            "sft": component(
                f"{module}:S", {}, learner="supervised", reads=["data_mix", "optimizer"]
            ),
            "grpo": component(
                f"{module}:G",
                {
                    "advantage": field({"slot": "objective/advantage"}, "plain"),
                    "regularizer": field({"slots": "objective/regularizer"}, []),
                },
                learner="policy_gradient",
                reads=["data_mix", "optimizer", "verifier", "rollout"],
            ),
        },
        "objective/advantage": {
            "plain": component(f"{module}:A", {"epsilon": field("float", 1e-6)}),
        },
        "objective/regularizer": {"kl": component(f"{module}:K", {"coef": field("float", 0.0)})},
        "optimizer": {
            "adamw": component(
                f"{module}:O",
                {
                    "lr": field("float", 1e-4),
                    "betas": field("list[float]", [0.9, 0.999]),
                    "clip": field({"any_of": ["float", "str"]}, "none"),
                    "schedule": field({"slot": "optimizer/schedule"}, "constant"),
                },
            )
        },
        "optimizer/schedule": {"constant": plain, "cosine": plain},
        "training": {
            "standard": component(
                f"{module}:T",
                {
                    "steps": field("int", 10),
                    "hand_on": field("str", "last"),
                    "rollouts": field("int", 8, read_by="groups"),
                    "workers": field("int", 1, kind="execution"),
                },
            )
        },
        "data_mix": {
            "mix": component(
                f"{module}:D",
                {
                    "train": field({"dict": {"struct": {"split": field("str", "train")}}}, {}),
                    "held_out": field({"dict": {"struct": {"split": field("str", "test")}}}, {}),
                    "prompt_template": field("str", "{prompt}"),
                    "system": field("str", None),
                    "response_template": field("str", None),
                    "overlap": field("str", "report"),
                },
            )
        },
        "sources": {"dataset": component(f"{module}:R", {"path": field("str", None)})},
        "verifier": {"number": component(f"{module}:V", {"strict": field("bool", False)})},
        "rollout": {"transformers": component(f"{module}:W", {"max_new_tokens": field("int", 16)})},
        "evaluation": {
            "pass_at_k": component(
                f"{module}:E",
                {"problems": field("int", 8)},
                reads=["model", "data_mix", "sources", "verifier", "rollout"],
            )
        },
        "tracker": {"wandb": component(f"{module}:B", {"project": field("str", "etude")})},
    }
    learners = {
        "supervised": {"class": f"{module}:L", "doc": "", "row": "demonstration"},
        "policy_gradient": {"class": f"{module}:P", "doc": "", "samples": True, "groups": True},
    }
    return parse(
        {
            "groups": {name: {"doc": ""} for name in groups},
            "components": groups,
            "learners": learners,
        }
    )


STAGE = """
seed: 1
model: {name: scratch, width: 8}
objective: {name: sft}
data_mix:
  name: mix
  train: {a: {split: train}}
  held_out: {b: {split: test}}
sources:
  a: {name: dataset, path: null}
  b: {name: dataset, path: null}
  c: {name: dataset, path: null}
optimizer: {name: adamw, lr: 1.0, schedule: {name: constant}}
training: {name: standard, steps: 10}
verifier: {name: number}
rollout: {name: transformers}
evaluation: {name: pass_at_k}
tracker: {name: wandb}
execution: {micro_batch_tokens: 64, evaluate_every: 2}
resources: {gpus_per_node: 1}
"""


def stage(change: str = "{}") -> dict[str, Any]:
    """Return the stage with dotted keys changed: ``{training.steps: 20}``."""
    config: dict[str, Any] = yaml.safe_load(STAGE)
    for path, value in yaml.safe_load(change).items():
        *heads, last = path.split(".")
        node = config
        for head in heads:
            node = node.setdefault(head, {})
        node[last] = value
    return config


def print_of(config: dict[str, Any], inputs: Any = None, **more: Any) -> str:
    return identify(config, inputs, **more).fingerprint


def identify(config: dict[str, Any], inputs: Any = None, **more: Any) -> Any:
    learner = {"sft": "supervised", "grpo": "policy_gradient"}[config["objective"]["name"]]
    prints = Fingerprints(more.get("schema") or schema(), more.get("hashes") or FileHashes())
    given = {"start": Base(), **(inputs or {})}
    return prints.stage(config, learner, {key: identity(value) for key, value in given.items()})


def evaluation_of(config: dict[str, Any], model: Any = None) -> str:
    inputs = {"model": model or Made("f00")}
    return evaluation_fingerprint(config, inputs, schema=schema(), hashes=FileHashes())


@pytest.mark.parametrize(
    "change",
    [
        "{optimizer.lr: 1}",
        "{optimizer.betas: [0.9, 0.999]}",
        "{training.rollouts: 64}",  # another learner's
        "{training.workers: 7}",
        "{verifier.strict: true}",  # a supervised stage reads none
        "{rollout.max_new_tokens: 99}",
        "{execution.micro_batch_tokens: 1}",
        "{execution.evaluate_every: 0}",
        "{evaluation.problems: 99}",
        "{tracker.project: mine}",
        "{resources.gpus_per_node: 8}",
        "{gate: {metric: pass@1, at_least: 0.5}}",
        "{sources.c.path: elsewhere.jsonl}",
        "{data_mix.held_out: {a: {split: test}}}",
        "{model.width: 8.0}",
        "{after: [x]}",
    ],
)
def test_what_does_not_count(change: str) -> None:
    assert print_of(stage(change)) == print_of(stage())


@pytest.mark.parametrize(
    "change",
    [
        "{seed: 2}",
        "{model.width: 9}",
        "{optimizer.lr: 2.0}",
        "{optimizer.betas: [0.9, 0.99]}",
        "{optimizer.clip: 1}",
        "{optimizer.schedule: {name: cosine}}",
        "{training.steps: 11}",
        "{training.hand_on: best}",
        "{data_mix.train: {a: {split: test}}}",
        "{data_mix.overlap: remove}",
        "{data_mix.response_template: '{answer}'}",
        "{objective: {name: grpo}}",
    ],
)
def test_what_counts(change: str) -> None:
    assert print_of(stage(change)) != print_of(stage())


def test_types_decide_and_not_how_a_value_was_written() -> None:
    assert print_of(stage("{optimizer.clip: 1}")) == print_of(stage("{optimizer.clip: 1.0}"))
    assert print_of(stage("{optimizer.lr: 1e-4}")) == print_of(stage("{optimizer.lr: 0.0001}"))


def test_a_missing_key_is_its_default() -> None:
    written = stage(
        "{optimizer: {name: adamw, lr: 0.0001, clip: none, schedule: {name: constant}}, "
        "training: {name: standard, steps: 10, hand_on: last}}"
    )
    assert print_of(stage("{optimizer: {name: adamw}, training: {name: standard}}")) == print_of(
        written
    )


def test_comments_and_order_in_yaml_do_not_count() -> None:
    lines = STAGE.strip().splitlines()
    body = [line for line in lines if not line.startswith("seed")] + ["# a word", "seed: 1  # one"]
    assert print_of(yaml.safe_load("\n".join(body))) == print_of(stage())


def test_parts_of_slots_count_with_their_values() -> None:
    changes = (
        "{objective: {name: grpo}}",
        "{objective: {name: grpo, advantage: {name: plain, epsilon: 0.1}}}",
        "{objective: {name: grpo, regularizer: {kl: {name: kl}}}}",
        "{objective: {name: grpo, regularizer: {kl: {name: kl, coef: 0.1}}}}",
    )
    assert len({print_of(stage(change)) for change in changes}) == 4
    spelled = "{objective: {name: grpo, advantage: {name: plain, epsilon: 1e-6}, regularizer: {}}}"
    assert print_of(stage(spelled)) == print_of(stage(changes[0]))


def test_what_parents_gave_counts() -> None:
    config = stage()
    found = {
        print_of(config),
        print_of(config, {"start": Made("f1")}),
        print_of(config, {"start": Made("f2")}),
        print_of(config, {"start": Made("f1", "critic")}),
        print_of(config, {"rollout.model_from": Made("f1")}),
        print_of(config, {"start": Folder(Path("x"), {"config.json": "1"})}),
        print_of(config, {"start": Folder(Path("x"), {"config.json": "2"})}),
    }
    assert len(found) == 7
    moved = {"start": Folder(Path("elsewhere"), {"config.json": "2"})}
    assert print_of(config, moved) in found


def test_lineage_leaves_out_the_number_of_steps_alone() -> None:
    base, longer, other = (
        identify(stage()),
        identify(stage("{training.steps: 20}")),
        identify(stage("{seed: 2}")),
    )
    assert base.lineage == longer.lineage != other.lineage
    assert base.fingerprint != longer.fingerprint


def test_the_choice_of_the_best_model_makes_evaluations_count() -> None:
    best = "training.hand_on: best"
    found = {
        print_of(stage(f"{{{best}}}")),
        print_of(stage(f"{{{best}, execution.evaluate_every: 3}}")),
        print_of(stage(f"{{{best}, evaluation.problems: 99}}")),
        print_of(stage(f"{{{best}, verifier.strict: true}}")),
    }
    assert len(found) == 4


def test_an_evaluation_that_a_component_asks_for_counts_with_its_cadence() -> None:
    asking = component(
        "etude.component:A",
        {"every": field("int", 5)},
        requires=[{"what": "evaluation:main@{every}", "when": "every > 1", "why": ""}],
    )
    known = schema()
    known.components["optimizer"]["asking"] = ComponentInfo.of(
        "optimizer", "asking", asking, "outside"
    )

    def asked(every: int, change: str = "seed: 1") -> str:
        chosen = f"{{optimizer: {{name: asking, every: {every}}}, {change}}}"
        return print_of(stage(chosen), schema=known)

    counting = (asked(5), asked(7), asked(1), asked(5, "evaluation.problems: 99"))
    assert len(set(counting)) == 4
    assert asked(5, "execution.evaluate_every: 3") == asked(5)  # no component hears of these
    assert asked(1, "evaluation.problems: 99") == asked(1)  # none is asked for


def old(path: Path, text: str) -> None:
    """Write a file whose time of change lies well in the past."""
    path.write_text(text)
    os.utime(path, (time.time() - 100, time.time() - 100 + len(text)))


def test_data_counts_by_content_and_not_by_place(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        old(tmp_path / folder / "rows.jsonl", "{}\n")

    def found(path: Path) -> str:
        return print_of(stage(f"{{sources.a.path: '{path}'}}"), hashes=FileHashes(tmp_path))

    first = found(tmp_path / "x")
    assert first == found(tmp_path / "y") != print_of(stage())
    old(tmp_path / "x" / "rows.jsonl", "{}\n{}\n")
    assert found(tmp_path / "x") != first
    assert found(tmp_path / "y" / "*.jsonl") == found(tmp_path / "y" / "rows.jsonl")


def test_hashes_are_remembered_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    whole = digest.sha256_of
    monkeypatch.setattr(digest, "sha256_of", lambda path: read.append(path) or whole(path))
    file = tmp_path / "rows.jsonl"

    def of() -> str:
        hashes = FileHashes(tmp_path)
        found = hashes.of(file)
        hashes.save()
        return found

    old(file, "one")
    assert of() == of() and len(read) == 1
    old(file, "other")
    assert of() == whole(file) and len(read) == 2
    file.write_text("fresh")  # could still change within the clock's grain
    of()
    of()
    assert len(read) == 4
    (tmp_path / ".hashes.json").write_text("{torn")
    assert of() == whole(file)


def test_a_local_model_counts_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    old(tmp_path / "m" / "config.json", "{}")
    old(tmp_path / "m" / "README.md", "about")
    change = f"{{model.path: '{tmp_path / 'm'}'}}"
    first = print_of(stage(change))
    (tmp_path / "m").rename(tmp_path / "moved")
    moved = f"{{model.path: '{tmp_path / 'moved'}'}}"
    assert print_of(stage(moved)) == first
    old(tmp_path / "moved" / "model.safetensors", "w")
    assert print_of(stage(moved)) != first


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that writes a module of the package ``etude_plug_in_for_hashes``."""
    package = tmp_path / "etude_plug_in_for_hashes"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        (package / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        module_file.cache_clear()

    write("__init__", "raise ImportError('planning must not import')\n")
    return write


def test_the_source_of_a_component_counts_with_what_it_imports(
    plug_in: Callable[[str, str], None],
) -> None:
    def found() -> str:
        return print_of(stage(), schema=schema("etude_plug_in_for_hashes.part"))

    plug_in("part", "from .shape import line\n")
    plug_in("shape", "line = 1\n")
    plug_in("unrelated", "x = 1\n")
    first = found()
    plug_in("unrelated", "x = 2\n")
    assert found() == first
    plug_in("shape", "line = 2  # and more\n")
    second = found()
    plug_in("part", "from .shape import line\nline += 1\n")
    assert len({first, second, found()}) == 3


def test_of_etude_what_can_change_no_result_is_left_out() -> None:
    found = set(code_hashes({"etude.optimizer.schedule.cosine"}))
    assert found == {"etude.optimizer.schedule.cosine", "etude.optimizer.schedule.shape"}


def test_the_code_of_a_stages_learner_counts(plug_in: Callable[[str, str], None]) -> None:
    known = schema()
    mine = LearnerInfo(name="supervised", cls="etude_plug_in_for_hashes.learner:Learner")
    known.learners["supervised"] = mine
    of_other = "{objective: {name: grpo}}"
    plug_in("learner", "steps = 1\n")
    first, other = (print_of(stage(more), schema=known) for more in ("{}", of_other))
    measured = evaluation_of(stage())
    plug_in("learner", "steps = 2  # more\n")
    assert print_of(stage(), schema=known) != first
    assert print_of(stage(of_other), schema=known) == other
    assert evaluation_of(stage()) == measured


def test_every_model_has_an_evaluation_of_its_own() -> None:
    folder = Folder(Path("x"), {"config.json": "1"})
    models = (Base(), Made("f1"), Made("f2"), Made("f1", "roles/critic"), folder)
    assert len({evaluation_of(stage(), model) for model in models}) == len(models)


@pytest.mark.parametrize(
    "change",
    [
        "{optimizer.lr: 5}",
        "{training.steps: 99}",
        "{objective: {name: grpo}}",
        "{data_mix.train: {c: {split: train}}}",
        "{execution.micro_batch_tokens: 1}",
        "{sources.a.path: elsewhere.jsonl}",
    ],
)
def test_how_a_model_was_trained_does_not_count_in_its_evaluation(change: str) -> None:
    assert evaluation_of(stage(change)) == evaluation_of(stage())


@pytest.mark.parametrize(
    "change",
    [
        "{evaluation.problems: 9}",
        "{verifier.strict: true}",
        "{rollout.max_new_tokens: 9}",
        "{data_mix.held_out: {a: {split: test}}}",
        "{data_mix.prompt_template: 'Q {prompt}'}",
        "{data_mix.response_template: '{answer}'}",
        "{sources.b.path: elsewhere.jsonl}",
        "{seed: 2}",
        "{model.dtype: bfloat16}",
    ],
)
def test_how_a_model_is_measured_counts_in_its_evaluation(change: str) -> None:
    assert evaluation_of(stage(change)) != evaluation_of(stage())


def test_a_fingerprint_is_the_same_in_every_process_and_leaves_its_config_alone() -> None:
    config = stage()
    before = copy.deepcopy(config)
    assert print_of(config) == print_of(config)
    assert config == before
    assert len(print_of(config)) == 16


def test_what_an_outside_package_uses_of_etude_counts_and_the_frame_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "outside_of_etude"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "learner.py").write_text(
        "from etude.errors import DataError\n"
        "from etude.learner.policy_gradient import PolicyGradientLearner\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = set(code_hashes({"outside_of_etude.learner"}))
    assert {"etude.learner.policy_gradient", "etude.learner.trainee"} <= found
    assert "etude.errors" not in found
