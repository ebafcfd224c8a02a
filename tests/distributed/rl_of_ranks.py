"""Steps of policy gradient as one process or several make them, written down to be compared.

Run as a program it is one of several ranks; imported it does the same alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import torch

from composing import composed_node
from etude import schema
from etude.config.prepare import prepare
from etude.distributed.world import current, joined
from etude.execute import tree
from etude.learner.context import StageContext
from etude.learner.make import make_learner
from etude.rows import Outcome, Row, Verdict

STAGE = (
    "recipe=rl",
    "model=scratch",
    "model.hidden_size=32",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=64",
    "sources.arithmetic.levels=3",
    "sources.arithmetic.train_size=600",
    "sources.arithmetic.test_size=100",
    "data_mix.train.arithmetic.limit=200",
    "data_mix.held_out.arithmetic.limit=10",
    "training.prompts_per_step=5",
    "training.rollouts_per_prompt=4",
    "training.steps=2",
    "training.gradient_clip=0.5",
    "rollout.max_new_tokens=8",
    "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]",
    "execution.micro_batch_tokens=160",
    "execution.samples=100",
    "optimizer.lr=1e-2",
    # Adam divides by the size of a gradient: without this it would blow rounding errors up.
    "optimizer.epsilon=1e-3",
)

#: Preset → what makes all of it work on a few rows.
SUITED: dict[str, tuple[str, ...]] = {
    "chord": ("objective.imitation.rows=5",),
    "dapo": ("objective.filter.metric=accuracy",),
    "guide": ("objective.guidance.fallback_ratio=0.5", "objective.guidance.group=separate"),
    "relift": (
        "objective.extra_update.relift.size=1",
        "objective.extra_update.relift.optimizer.lr=1e-3",
    ),
    "riskpo": ("objective.advantage.bundle_size=2",),
}

#: Presets that differ from grpo in arithmetic on rows alone, which tests/objective/test_ranks.py
#: holds for every preset; here they would show nothing that others do not.
PLAIN = frozenset(
    {
        "asymre",
        "cispo",
        "dr_grpo",
        "gspo",
        "nsr",
        "opmd",
        "psr",
        "raft_plus_plus",
        "rec",
        "reinforce",
        "reinforce_plus_plus",
        "reinforce_plus_plus_baseline",
        "rloo",
        "w_reinforce",
    }
)

#: Reward weightings that ask for something.
WEIGHTINGS = Path(__file__).parents[1] / "weightings.py"

#: A first step in which the policy does not move.
WARM = "training.warm_start_steps=1"

#: A verifier that remembers answers; it judges these rows itself.
CONCISE = "concise"

#: Name → what presets alone do not show.
MORE: dict[str, tuple[str, ...]] = {
    "two updates": ("objective=grpo", "training.updates_per_step=2"),
    "two epochs": (
        "objective=grpo",
        "objective/mismatch=seq_mis",
        "objective.mismatch.built_in=true",
        "training.updates_per_step=2",
        "training.epochs_per_step=2",
    ),
    "reference": ("objective=grpo", "objective/regularizer=[kl]"),
    "one prompt": ("objective=reinforce", "training.prompts_per_step=1"),
    "rows drawn twice": ("objective=ghpo", "data_mix.train.arithmetic.limit=3"),
    "growing hints": (
        "objective=ghpo",
        "objective.guidance.escalation=across_epochs",
        "data_mix.train.arithmetic.limit=5",
    ),
    "refill from few": (
        "objective=dapo",
        "objective.filter.metric=accuracy",
        "data_mix.train.arithmetic.limit=6",
    ),
    "shared critic": ("objective=ppo", "objective.critic.share=head"),
    "asking for evaluations": (
        "objective=grpo",
        f"curriculum={Path(__file__).parents[1] / 'patience.py'}:Patience",
        "curriculum.every=1",
        "curriculum.start=5",
        "curriculum.rise=2",
        "data_mix.response_template='{solution}'",  # so the loss of what is held out counts, too
        "evaluation.problems=3",
        "evaluation.samples=2",
        "evaluation.bootstrap=10",
    ),
    "asking for a named evaluation": (
        "objective=grpo",
        f"curriculum={Path(__file__).parents[1] / 'heeding.py'}:Heed",
        "curriculum.every=1",
        f"evaluations.calm.evaluation={Path(__file__).parents[1] / 'measures.py'}:Calm",
        "evaluations.calm.evaluation.problems=3",
    ),
    "planned draws": (
        "objective=grpo",
        f"curriculum={Path(__file__).parents[1] / 'frontier.py'}:Frontier",
        "curriculum.more=6",
    ),
    "a rule and a judge": (
        "objective=grpo",
        f"verifier={Path(__file__).parents[1] / 'second_opinion.py'}:SecondOpinion",
        "verifier.trust=5e-8",
        "models.judge=base",
    ),
    "a mean that moves once a step": (
        "objective=dapo",
        "objective.filter.metric=accuracy",
        f"reward_weighting={WEIGHTINGS}:Steady",
        "reward_weighting.rate=0.5",
    ),
    "advantages of parts": (
        "objective=reinforce_plus_plus",
        "objective/shaping=[kl_penalty]",
        "objective.shaping.kl_penalty.coef=0.5",
        "objective.shaping.kl_penalty.role=judge",
        f"reward_weighting={WEIGHTINGS}:ByPart",
    ),
    "weights by gradients": (
        "objective=grpo",
        "training.updates_per_step=2",
        f"reward_weighting={Path(__file__).parents[1] / 'balance.py'}:Balance",
        "reward_weighting.above=0.5",
    ),
    "a look at gradients": ("objective=grpo", f"reward_weighting={WEIGHTINGS}:Looking"),
    "rows that count several times": (
        "objective=grpo",
        f"objective/selection=[{WEIGHTINGS}:Counted]",
        "objective.selection.Counted.times=[2,0,1]",
    ),
    "drawn by rank": (
        "objective=grpo",
        "objective/selection=[policy_filtration]",
        "objective.selection.policy_filtration.how=draw",
    ),
    "normalised parts": ("objective=grpo", "reward_weighting=normalised"),
    "parts by what they were": (
        "objective=grpo",
        "reward_weighting=running",
        "reward_weighting.decay=0.5",
    ),
    "a front that grows": (
        "stages.rl.objective=dr_grpo",  # which the weighting is judged with
        "reward_weighting=hypervolume",
        "reward_weighting.evaluation=calm",
        "reward_weighting.maximised=[largest]",
        "reward_weighting.minimised=[longer]",
        f"evaluations.calm.evaluation={Path(__file__).parents[1] / 'measures.py'}:Calm",
        "evaluations.calm.evaluation.problems=3",
    ),
    "parts whose gradients agree": (
        "objective=grpo",
        "reward_weighting=gradient",
        "reward_weighting.rate=1e-5",
        "training.gradient_clip=100",  # gradients of equal length have equal influence
        "training.updates_per_step=2",
    ),
    "rewards as constraints": (
        "objective=reinforce_plus_plus",
        "stages.rl.objective.shaping=[kl_penalty]",  # which the weighting is judged with
        "objective/shaping=[kl_penalty]",
        "objective.shaping.kl_penalty.coef=0.5",
        "objective.shaping.kl_penalty.role=judge",
        "reward_weighting=lagrangian",
        "reward_weighting.variant=mu",
        "training.updates_per_step=2",
    ),
    "constraints by values of their own": (
        "stages.rl.objective=ppo",
        "stages.rl.objective.shaping=[kl_penalty]",
        "reward_weighting=threshold_search",
        "reward_weighting.every=1",
        "reward_weighting.patience=1",
        "evaluation.problems=3",
        "evaluation.samples=2",
        "evaluation.bootstrap=10",
    ),
    "the worst part": (
        "objective=grpo",
        "reward_weighting=maxmin",
        "reward_weighting.selection=multiplicative",
        "reward_weighting.smoothing=0.5",
    ),
    "mixed on the way": (
        "objective=grpo",
        "data_mix/mixing=scheduled",
        "data_mix.train.arithmetic.limit=20",
        "data_mix.train.more.source=arithmetic",
        "data_mix.mixing.points.a={at:0,weights:{arithmetic:1}}",
        "data_mix.mixing.points.b={at:1,weights:{more:1}}",
    ),
    "budget in rounds": (
        "objective=grpo",
        f"rollout/budget={Path(__file__).parents[1] / 'second_look.py'}:SecondLook",
        "rollout.budget.first=2",
    ),
    "growing limits": (
        "objective=grpo",
        "curriculum=length_progressive",
        "curriculum.limits=[4,8]",
        "curriculum.truncated=[0.2]",
        "curriculum.min_steps=[1]",
        "curriculum.rollouts=[4,5]",
    ),
    "a band of shares": (
        "objective=grpo",
        "curriculum=difficulty_band",
        "curriculum.solved=0.75",
        "objective/filter=band",
        "objective.filter.oversample=2",
        "data_mix.train.arithmetic.limit=12",
    ),
    "chances by share": (
        "objective=grpo",
        "curriculum=prioritised",
        "data_mix.train.arithmetic.limit=12",
    ),
    "drawn shares": (
        "objective=grpo",
        "curriculum=prioritised",
        "curriculum.law=thompson",
        "data_mix.train.arithmetic.limit=12",
    ),
    "from easy to hard": (
        "objective=grpo",
        "curriculum=easy_to_hard",
        "curriculum.steps=[1]",
        "curriculum.replay=0.4",
    ),
    "models that move": (
        "objective=grpo",
        "objective/regularizer=[kl]",
        "objective.regularizer.kl.coef=0.2",
        "objective/shaping=[kl_penalty]",
        "objective.shaping.kl_penalty.role=judge",
        "models.judge=start",
        "training/moves=[reset,average]",
        "training.moves.reset.every=1",
        "training.moves.average.role=judge",
        "training.moves.average.decay=0.5",
    ),
    "knapsack": (
        "objective=grpo",
        "rollout/budget=knapsack",
        "rollout.budget.low=1",
        "data_mix.train.arithmetic.limit=5",
    ),
    "adaptive": ("objective=dapo", "rollout/budget=adaptive", "rollout.budget.most=8"),
    "broad": (
        "objective=grpo",
        "rollout/budget=broad",
        "rollout.budget.rollouts=7",
        "rollout.budget.chunk=3",
    ),
    "two turns": (
        "objective=grpo",
        f"rollout/episode={Path(__file__).parents[1] / 'second_thought.py'}:SecondThought",
        "rollout.episode.first=4",
        "rollout.max_new_tokens=24",
        "execution.micro_batch_tokens=320",
    ),
    "another role answers in between": (
        "objective=grpo",
        f"rollout/episode={Path(__file__).parents[1] / 'second_thought.py'}:Critique",
        "models.judge=base",
        "rollout.episode.first=4",
        "rollout.max_new_tokens=24",
        "execution.micro_batch_tokens=320",
    ),
    "two voices": (
        "objective=grpo",
        f"rollout/logits={Path(__file__).parents[1] / 'two_voices.py'}:Mixture",
        "rollout.logits.other=judge",
        "models.judge=base",
    ),
    "learning progress": (
        "objective=grpo",
        "curriculum=alp_gmm",
        "curriculum.fit_rate=4",
        "curriculum.components=[1,2]",
        "+curriculum.parameters={digits: [1,2], terms: [2,3]}",
    ),
    "regions of tasks": (
        "objective=grpo",
        "curriculum=riac",
        "curriculum.region_size=4",
        "curriculum.fewest=1",
        "curriculum.columns=[level]",
    ),
    "a role that reads what the policy wrote": (
        "objective=grpo",
        f"rollout/episode={Path(__file__).parents[1] / 'proofread.py'}:Proofread",
        "rollout.max_new_tokens=6",
        "models.reader=start",
        "models.reader.train.objective=rloo",
        "models.reader.train.optimizer.lr=3e-3",
    ),
    "a role trained beside the policy": (
        "objective=grpo",
        "models.other=start",
        "models.other.train.objective=rloo",
        "models.other.train.objective.regularizer=[kl]",
        "models.other.train.optimizer.lr=3e-3",
        "models.other.train.rollout.max_new_tokens=6",
    ),
    "a warm start": ("objective=ppo", WARM),
    "shorter than usual": (
        "objective=grpo",
        f"verifier={CONCISE}",
        f"verifier.rule={Path(__file__).parents[1] / 'parity.py'}:Parity",
        "reward_weighting.weights=null",
    ),
    "two frozen roles and a critic": (
        "objective=ppo",
        "objective/regularizer=[kl]",
        "objective.regularizer.kl.coef=0.2",
        "objective.regularizer.kl.role=judge",
        "objective/shaping=[kl_penalty]",
    ),
}

#: Cases that are saved after their first step and gone on with: one of each kind of state.
SAVED = (
    "a front that grows",
    "a role trained beside the policy",
    "another role answers in between",
    "chances by share",
    "constraints by values of their own",
    "growing hints",
    "mixed on the way",
    "models that move",
    "ppo",
    "relift",
    "shorter than usual",
)

#: More of these kinds, for the long suite.
SAVED_TOO = (
    "a mean that moves once a step",
    "a role that reads what the policy wrote",
    "a warm start",
    "advantages of parts",
    "asking for evaluations",
    "budget in rounds",
    "from easy to hard",
    "growing limits",
    "learning progress",
    "parts by what they were",
    "parts whose gradients agree",
    "planned draws",
    "regions of tasks",
    "rewards as constraints",
    "the worst part",
    "two frozen roles and a critic",
    "two turns",
    "two voices",
    "weights by gradients",
)

#: What goes through the same exchange between ranks as another case: left to the long suite. Every
#: preset's loss and gradient on two ranks is held by tests/objective/test_ranks.py in any case.
LIKE_ANOTHER = {
    "a look at gradients": "weights by gradients",
    "adaptive": "budget in rounds",
    "broad": "brorl",
    "campo": "dapo",
    "drawn by rank": "rows that count several times",
    "drawn shares": "chances by share",
    "from easy to hard": "a band of shares",
    "grpo": "reference",
    "kl_cov": "clip_cov",
    "normalised parts": "advantages of parts",
    "parts by what they were": "a mean that moves once a step",
    "parts whose gradients agree": "weights by gradients",
    "refill from few": "dapo",
    "regions of tasks": "learning progress",
    "rewards as constraints": "constraints by values of their own",
    "rft": "d3s",
    "rows drawn twice": "growing hints",
    "the worst part": "a mean that moves once a step",
    "tw_grpo": "bnpo",
    "two turns": "another role answers in between",
}


def cases() -> dict[str, tuple[str, ...]]:
    """Return what is tried: the presets with means of their own, and more; name → overrides."""
    known = sorted(schema.load().choices("objective").items())
    presets_of = {name for name, info in known if info.learner == "policy_gradient" and info.source}
    assert presets_of >= PLAIN
    names = sorted(presets_of - PLAIN)
    presets = {name: (f"objective={name}", *SUITED.get(name, ())) for name in names}
    every = presets | MORE
    assert every.keys() >= LIKE_ANOTHER.keys() | set(LIKE_ANOTHER.values())
    assert not LIKE_ANOTHER.keys() & set(LIKE_ANOTHER.values())
    left = () if os.environ.get("ETUDE_LONG") else LIKE_ANOTHER
    return {name: overrides for name, overrides in every.items() if name not in left}


def saved_cases() -> list[str]:
    """Return the cases that are saved after their first step and gone on with."""
    return [*SAVED, *SAVED_TOO] if os.environ.get("ETUDE_LONG") else list(SAVED)


def judge(rows: Sequence[Row]) -> None:
    """Judge by the prompt's text and the tokens: some prompts nobody solves, others some do."""
    for row in rows:
        hopeless = crc32(row.example.prompt.encode()) % 3 == 0
        right = not hopeless and sum(row.tokens) % 2 == 0
        parts = {"accuracy": float(right), "format": float(len(row.tokens) % 2)}
        row.verdict = Verdict(Outcome.CORRECT if right else Outcome.WRONG, parts)


def told(row: Row) -> list[Any]:
    """Return what must be equal of a row."""
    return [row.prompt_id, row.index, row.prompt, row.tokens, row.off_policy, row.reward]


@cache
def stage(*overrides: str) -> dict[str, Any]:
    """Return the config of a stage."""
    config: dict[str, Any] = prepare([*STAGE, *overrides]).runs[0][1][0].config
    return config


def objective(*overrides: str) -> Any:
    """Return the objective's node alone: it is composed in a fraction of a stage's time."""
    return composed_node("objective", *overrides)


def config_of(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the config of a stage that is composed once and told to all ranks."""
    chosen = [each for each in overrides if each.startswith("objective")]
    config = dict(stage(*(each for each in overrides if each not in chosen)))
    # A role of a case, of other weights than the policy; one that nothing asks for is not opened.
    other = {"load": "base", "model": config["model"] | {"initializer_range": 0.5}}
    if chosen:
        config["objective"] = objective(*chosen)
    return config | {"models": config["models"] | {"judge": other}}


def configs() -> dict[str, dict[str, Any]]:
    """Return the config of every case."""
    rows = config_of(("objective=step_advantages",))
    rows["training"] = rows["training"] | {"rows_per_step": 5}
    return {"generated": rows} | {name: config_of(each) for name, each in cases().items()}


def learner_of(config: dict[str, Any], folder: Path) -> Any:
    """Return the learner of a case; most answers are judged by :func:`judge`."""
    learner: Any = make_learner(config, StageContext(config["seed"], folder))
    if config["verifier"]["name"] != CONCISE:
        for each in (learner.learner, *getattr(learner.learner, "roles", ())):
            each.rollouts.verify = judge
            each.rollouts.expect = lambda rows: None  # no worker is started for what judge does
    return learner


def counting(learner: Any) -> list[int]:
    """Return a list that grows by the number of rows whenever this process samples some."""
    engine = learner.engine("policy")
    sample = engine.sample
    asked: list[int] = []

    def counted(requests: Any, **how: Any) -> Any:
        asked.append(len(requests))
        return sample(requests, **how)

    engine.sample = counted
    return asked


def parameters_of(learner: Any) -> list[list[float]]:
    """Return all parameters of what is trained, which several ranks hold together."""
    trained = (learner.policy, *(role.policy for role in learner.trained.values()))
    whole = (policy.inference_copy().model.parameters() for policy in trained)
    return [p.flatten().tolist() for parameters in whole for p in parameters]


def rewarded(found: Any) -> dict[str, Any]:
    """Return what must be equal of the rows that a step gathered, once they have their rewards."""
    return {
        "groups": [[told(row) for row in group] for group in found.groups],
        "sampled": [told(row) for row in found.sampled],
        "demonstrated": [told(row) for row in found.demonstrated],
        "logprobs": [row.sampler_logprobs for group in found.groups for row in group],
    }


def run(config: dict[str, Any], folder: Path, saved: Path | None = None) -> dict[str, Any]:
    """Return rows, metrics and parameters of two steps; the state of the first goes to ``saved``.

    ``asked`` counts the rows this process sampled itself.
    """
    learner = learner_of(config, folder)
    asked = counting(learner)
    gather = learner.learner.rollouts.gather
    gathered: list[Any] = []

    def recorded(*given: Any) -> Any:
        gathered.append(gather(*given))
        return gathered[-1]

    learner.learner.rollouts.gather = recorded
    done, rows = [learner.step(0)], [rewarded(gathered[0])]
    if saved is not None:
        tree.save(learner.state_dict(), saved, current().rank)
        current().barrier()
    done.append(learner.step(1))
    rows.append(rewarded(gathered[1]))
    learner.close()
    return {
        "asked": sum(asked),
        "rows": rows,
        "metrics": [result.metrics for result in done],
        "samples": [result.samples for result in done],
        "state": {key: part.state_dict() for key, part in learner.learner.state.parts.items()},
        "parameters": parameters_of(learner),
    }


def go_on(config: dict[str, Any], folder: Path, saved: Path) -> dict[str, Any]:
    """Return metrics and parameters of the second step, gone on with from a saved first one."""
    learner = learner_of(config, folder)
    learner.load_state_dict(tree.load(saved, whole=current().is_alone))
    metrics = learner.step(1).metrics
    learner.close()
    return {"metrics": metrics, "parameters": parameters_of(learner)}


def generate(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a stage that writes rows makes of its first prompts."""
    learner = learner_of(config, folder)
    asked = counting(learner)
    metrics = learner.step(0).metrics
    learner.close()
    return {"asked": sum(asked), "rows": learner.learner.rows, "metrics": metrics}


def run_all(known: dict[str, dict[str, Any]], folder: Path, *, save: bool) -> dict[str, Any]:
    """Return what every case of :func:`configs` comes to, as JSON has it."""
    torch.set_num_threads(1)
    found = {"generated": generate(known.pop("generated"), folder)}
    for name, config in known.items():
        saved = folder / name if save and name in saved_cases() else None
        found[name] = run(config, folder, saved)
        if saved is not None:
            found[name]["gone on"] = go_on(config, folder, saved)
    return json.loads(json.dumps(found, default=lambda tensor: tensor.tolist()))


def start(ranks: int, folder: Path) -> subprocess.Popen[str]:
    """Start this program as several ranks that write ``<rank>.json`` into ``folder``.

    They read the cases' configs there, in ``configs.json``.
    """
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *(__file__, str(folder)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    with joined(patience=120):
        folder = Path(sys.argv[1])
        found = run_all(json.loads((folder / "configs.json").read_text()), folder, save=True)
        (folder / f"{current().rank}.json").write_text(json.dumps(found))
