"""A small installation of its own: components, files and schema that no real one can disturb."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from etude import component as registry
from etude.component import Need, component, entries, option, slot, slots
from etude.config import reflect, root_yaml, write_yaml
from etude.config.installation import Installation, make
from etude.config.plugins import Plugin
from etude.schema import Schema, built_in, parse

READS = ("model", "models", "objective", "data_mix", "verifier", "rollout", "optimizer", "training")


@dataclass(frozen=True)
class Shape:
    width: int = option(64, "hidden size", ge=1)
    depth: int = option(2, "layers")


@dataclass(frozen=True)
class Part:
    source: str | None = option(None, "key in sources")
    weight: float = option(1.0, "share", gt=0)
    levels: list[int] | None = option(None, "levels")


@dataclass(frozen=True)
class Scratch:
    """A model from scratch."""

    shape: Shape = field(default_factory=Shape, metadata={"doc": "its size"})
    dtype: str = option("float32", "number type", choices=("float32", "bfloat16"))


@dataclass(frozen=True)
class Role:
    load: str | None = option(None, "where it comes from")
    model: Any = slot("", "its kind; null: the stage's", group="model")


@dataclass(frozen=True)
class Roles:
    """The other models."""

    reference: str | None = option(None, "where the reference comes from")
    roles: Mapping[str, Role] = entries(doc="every other model")


@dataclass(frozen=True)
class NamedEvaluation:
    """What differs from the stage's."""

    evaluation: Any = slot("", "how it measures", group="evaluation", follows=True)
    verifier: Any = slot("", "what judges", group="verifier", follows=True)


@dataclass(frozen=True)
class Evaluations:
    """The other evaluations."""

    named: Mapping[str, NamedEvaluation] = entries(doc="each by its name")


@dataclass(frozen=True)
class Environments:
    """The environments beside the one for all rows: none here."""


@dataclass(frozen=True)
class PolicyGradient:
    learner: ClassVar[str] = "policy_gradient"
    reads: ClassVar[tuple[str, ...]] = READS

    advantage: Any = slot("group", "how rewards become advantages")
    policy_loss: Any = slot("clipped", "the loss of a token")
    regularizer: Any = slots(doc="terms added to the loss")
    cap: float | None = option(None, "largest weight", gt=0)
    asks: str | None = option(None, "another model that it asks for")


@dataclass(frozen=True)
class Grpo(PolicyGradient):
    """Group-relative advantages. With a clipped ratio."""


@dataclass(frozen=True)
class Ghpo(PolicyGradient):
    """Hints from the solution."""

    hints: float = option(0.5, "share of the solution that is shown", ge=0, le=1)


@dataclass(frozen=True)
class Sft:
    """Imitates demonstrations."""

    learner: ClassVar[str] = "supervised"
    reads: ClassVar[tuple[str, ...]] = ("model", "objective", "data_mix", "optimizer", "training")

    loss: str = option("cross_entropy", "what a token costs")


@dataclass(frozen=True)
class Group:
    """Centred by the group's mean."""

    epsilon: float = option(1e-6, "added to the deviation", ge=0)


@dataclass(frozen=True)
class Plain:
    """The reward itself."""

    scale: float = option(1.0, "factor")


@dataclass(frozen=True)
class Clipped:
    """The clipped ratio."""

    low: float = option(0.2, "clip below")
    high: float = option(0.2, "clip above")


@dataclass(frozen=True)
class Kl:
    """Distance to the reference."""

    coef: float = option(0.001, "weight of the term", ge=0)


@dataclass(frozen=True)
class Entropy:
    """A bonus for entropy."""

    coef: float = option(0.01, "weight of the bonus")


@dataclass(frozen=True)
class Mix:
    """Rows of sources."""

    train: dict[str, Part] = option({}, "what is trained on")
    held_out: dict[str, Part] = option({}, "what is measured on")
    response_template: str | None = option(None, "text that is taught")


@dataclass(frozen=True)
class Rows:
    """Rows of a file."""

    path: str | None = option(None, "a local file")
    from_stage: str | None = option(None, "a stage that wrote the rows")
    columns: dict[str, str] = option({"prompt": "prompt", "answer": "answer"}, "name → column")


@dataclass(frozen=True)
class Made:
    """Generated rows."""

    size: int = option(100, "rows", ge=1)


@dataclass(frozen=True)
class Number:
    """Compares numbers."""

    tolerance: float = option(0.0, "largest difference", ge=0)


@dataclass(frozen=True)
class Cascade:
    """Asks verifiers in turn."""

    steps: Any = slots(group="verifier", doc="the verifiers")
    last: Any = slot("number", "who decides", group="verifier")
    order: list[str] = option([], "keys of steps, in order")
    rule: str = option("any", "a text, and no slot")


@dataclass(frozen=True)
class Sampler:
    """Samples answers."""

    temperature: float = option(1.0, "softmax temperature", gt=0)
    group: int = option(8, "answers for a prompt", ge=1, read_by="groups")
    stop: list[str] = option([], "stop strings")


@dataclass(frozen=True)
class Adam:
    """Adam."""

    lr: float = option(1e-4, "learning rate", gt=0)
    betas: tuple[float, float] = option((0.9, 0.95), "decays")
    schedule: Any = slot("constant", "how lr moves")


@dataclass(frozen=True)
class Constant:
    """Stays."""

    warmup: int = option(0, "steps of warm-up", ge=0)


@dataclass(frozen=True)
class Cosine:
    """Falls."""

    warmup: int = option(0, "steps of warm-up", ge=0)
    floor: float = option(0.0, "last share", ge=0)


@dataclass(frozen=True)
class Standard:
    """A number of steps."""

    steps: int = option(100, "optimisation steps", ge=1)
    rows: int = option(32, "rows of an update", ge=1, read_by="not groups")
    prompts: int = option(8, "prompts of a step", ge=1, read_by="groups")
    limit: int | None = option(None, "longest row")
    mix: int | str = option("auto", "a number or auto")


@dataclass(frozen=True)
class PassAtK:
    """pass@k."""

    problems: int = option(200, "problems measured", ge=0)


@dataclass(frozen=True)
class Simple:
    """Nothing to set."""

    level: int = option(0, "nothing", kind="execution")


_NEEDS: dict[str, dict[str, Any]] = {
    "objective=ghpo": {
        "requires": [Need("column:solution", why="for its hints")],
        "source": "arXiv 2507.10628",
    },
    "objective=grpo": {
        "requires": [Need("model:{asks}", when="asks != None", why="to ask it")],
    },
    "objective=sft": {"requires": [Need("column:response")]},
    "objective/regularizer=kl": {
        "requires": [Need("model:reference", when="coef > 0", why="to measure the distance")]
    },
    "objective/regularizer=entropy": {"conflicts": [Need("component:objective/advantage=plain")]},
    "data_mix=mix": {"provides": [Need("column:response", when="response_template != None")]},
    "sources=made": {
        "provides": [Need(f"column:{name}") for name in ("answer", "solution", "level")]
    },
    "verifier=number": {"requires": [Need("column:answer")]},
}
COMPONENTS: dict[str, type] = {
    "model=scratch": Scratch,
    "models=default": Roles,
    "objective=grpo": Grpo,
    "objective=ghpo": Ghpo,
    "objective=sft": Sft,
    "objective/advantage=group": Group,
    "objective/advantage=plain": Plain,
    "objective/policy_loss=clipped": Clipped,
    "objective/regularizer=kl": Kl,
    "objective/regularizer=entropy": Entropy,
    "data_mix=mix": Mix,
    "sources=rows": Rows,
    "sources=made": Made,
    "verifier=number": Number,
    "verifier=cascade": Cascade,
    "reward_weighting=weighted_sum": Simple,
    "curriculum=constant": Simple,
    "rollout=transformers": Sampler,
    "optimizer=adamw": Adam,
    "optimizer/schedule=constant": Constant,
    "optimizer/schedule=cosine": Cosine,
    "training=standard": Standard,
    "evaluation=pass_at_k": PassAtK,
    "evaluations=default": Evaluations,
    "environment=none": Environments,
    "environments=default": Environments,
    "tracker=wandb": Simple,
    "launcher=local": Simple,
}
PRESETS: dict[str, str] = {
    "model/tiny": "defaults: [scratch, _self_]\nshape: {width: 32}\n",
    "model/small": "# A larger one.\ndefaults: [scratch, _self_]\nshape: {width: 256}\n",
    "objective/policy_loss/clip_higher": "defaults: [clipped, _self_]\nhigh: 0.28\n",
    "objective/dapo": """
defaults: [grpo, override policy_loss: clip_higher, _self_]
cap: 2.0
""",
    "data_mix/arithmetic": """
defaults: [mix, _self_]
train: {arithmetic: {}}
held_out: {arithmetic: {}}
""",
    "data_mix/worked": """
defaults: [mix, _self_]
train: {arithmetic: {}}
held_out: {arithmetic: {}}
response_template: '{solution}'
""",
    "data_mix/answers": """
defaults: [mix, _self_]
train: {answers: {}}
held_out: {answers: {}}
""",
    "data_mix/test": "defaults: [mix, _self_]\nheld_out: {arithmetic: {}}\n",
    "sources/arithmetic": "defaults: [made, _self_]\n",
    "sources/answers": "defaults: [rows, _self_]\npath: .\n",
    "sources/sampled": "defaults: [rows, _self_]\nfrom_stage: sample\n",
    "recipe/quickstart": """# @package _global_
# SFT, then RL.
defaults:
  - /objective@stages.sft.objective: sft
  - /data_mix@stages.sft.data_mix: worked
pipeline: [sft, rl]
stages:
  sft: {training: {steps: 300}}
  rl: {training: {steps: 150}}
""",
    "recipe/rl": "# @package _global_\npipeline: [rl]\nstages: {rl: {}}\n",
    "recipe/ghpo/paper": """# @package _global_
defaults:
  - override /objective: ghpo
pipeline: [rl]
stages: {rl: {}}
""",
    "recipe/sft": """# @package _global_
defaults:
  - override /objective: sft
  - override /data_mix: worked
pipeline: [sft]
stages: {sft: {}}
""",
    "recipe/three": """
pipeline: [a, b, c]
stages: {a: {}, b: {rollout: {temperature: 0.5}}, c: {after: [a]}}
""",
}


def described(components: dict[str, type], needs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return schema.json of classes that are registered nowhere else."""
    content: dict[str, Any] = {"groups": {}, "components": {}}
    with mock.patch.dict(registry.REGISTRY, clear=True):
        for key, cls in components.items():
            group, _, name = key.partition("=")
            component(group=group, name=name, **needs.get(key, {}))(cls)
            entry = reflect.describe_component(cls)
            content["components"].setdefault(group, {})[name] = entry
    known = parse(content)
    subs = [sub for group in known.components for sub in known.sub_groups(group)]
    content["groups"] = {group: {"doc": ""} for group in (*content["components"], *subs)}
    return content


def make_tree(
    folder: Path, plugins: tuple[Plugin, ...] = (), user: Path | None = None
) -> Installation:
    """Write the toy's files into a folder and return the installation of them."""
    content = described(COMPONENTS, _NEEDS)
    conf = folder / "conf"
    for group, named in content["components"].items():
        for name, entry in named.items():
            path = conf / group / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write_yaml.component_yaml(group, name, entry))
    for name, text in PRESETS.items():
        path = conf / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (conf / "etude.yaml").write_text(root_yaml.text())
    return make(toy_schema(content), folder, plugins, user)


def toy_schema(content: dict[str, Any] | None = None) -> Schema:
    """Return the schema of the toy's components."""
    toy = parse(content or described(COMPONENTS, _NEEDS))
    return dataclasses.replace(toy, learners=built_in().learners)
