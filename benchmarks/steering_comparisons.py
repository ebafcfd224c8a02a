"""What steering a run is worth: arms that sample as many tokens as a plain run, over several seeds.

    python benchmarks/steering_comparisons.py draws      # difficulty_band, alp_gmm, knapsack
    python benchmarks/steering_comparisons.py rewards    # hypervolume, gradient, fixed weights
    python benchmarks/steering_comparisons.py lengths    # length_progressive

One tiny model is taught worked arithmetic of five levels, a little; every run starts from it. Runs
of one seed are compared at the tokens that the first arm has sampled (with those of evaluations
that steering asks for); the others take as many steps as come nearest. Intervals are those of
Student's t over the seeds, for differences over the differences of runs with the same seed. Runs
are kept in ``--outputs`` and are not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import torch
from equal_tokens import Trained, trained, trained_to
from scatter import scatter
from tables import between, table

from etude.primitives.hypervolume import hypervolume
from etude.sources.arithmetic import Arithmetic

LEVELS = range(1, 6)
TEST_SIZE = 100
PROBLEMS = (
    "sources.arithmetic.levels=5",
    f"sources.arithmetic.test_size={TEST_SIZE}",
    *(f"data_mix.{part}.arithmetic.levels=[1,2,3,4,5]" for part in ("train", "held_out")),
)
COMMON = (
    *PROBLEMS,
    "tracker=none",
    "execution.threads=1",
    "execution.samples=0",
    "execution.micro_batch_tokens=4096",
    "execution.checkpoint_every=0",
    "execution.entropy=false",
    "evaluation.problems=250",
    "evaluation.samples=3",
    "evaluation.bootstrap=0",
)
PARTS = ("accuracy", "brevity", "worked")

#: Weights of the three parts, as fixed weights and as those that steering begins with.
WEIGHTS = ((0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    studies: dict[str, Callable[[argparse.Namespace, Path], str]] = {
        "draws": draws,
        "rewards": rewards,
        "lengths": lengths,
    }
    parser.add_argument("study", choices=studies)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sft-steps", type=int, default=130)
    parser.add_argument("--steps", type=int, help="steps of the first arm")
    parser.add_argument("--lr", default="1e-4")
    parser.add_argument("--prompts", type=int, default=32, help="of draws: prompts a step")
    parser.add_argument("--rows", type=int, default=200, help="of draws: problems of each level")
    parser.add_argument("--warmup", type=int, default=10, help="of draws: steps of warm-up")
    parser.add_argument("--page", type=Path, help="a page whose tables of the study are replaced")
    parser.add_argument("--figure", type=Path, default=Path("fronts.svg"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = trained(
        [
            "recipe=sft",
            *COMMON,
            f"outputs={args.outputs}",
            "sources.arithmetic.train_size=2000",
            "rollout.max_new_tokens=64",
            "optimizer.lr=1e-3",
            f"training.steps={args.sft_steps}",
        ]
    )
    found = studies[args.study](args, start.model)
    print(found)
    if args.page is not None:
        args.page.write_text(between(args.page.read_text(), args.study, found))


def plain(
    args: argparse.Namespace, start: Path, seed: int, *, prompts: int = 16, rows: int = 20
) -> list[str]:
    """Return the overrides that all runs of a seed have: prompts a step, rows of each level."""
    return [
        "recipe=rl",
        *COMMON,
        f"start_from={start}",
        f"outputs={args.outputs}",
        f"seed={seed}",
        f"optimizer.lr={args.lr}",
        f"training.prompts_per_step={prompts}",
        f"sources.arithmetic.train_size={rows}",
        "verifier.timeout=120",  # a verdict must not depend on what else the machine does,
    ]


def draws(args: argparse.Namespace, start: Path) -> str:
    """Compare what decides which prompts are drawn, and how often each is answered."""
    steps = args.steps or 80
    arms: dict[str, list[str]] = {
        "uniform": [],
        "difficulty_band": ["curriculum=difficulty_band"],
        "alp_gmm": ["curriculum=alp_gmm", "curriculum.columns=[level]", "curriculum.fit_rate=128"],
        "knapsack": ["rollout/budget=knapsack", "rollout.budget.up=32"],
    }
    found: dict[str, list[Trained]] = {name: [] for name in arms}
    for seed in args.seeds:
        given = [
            *plain(args, start, seed, prompts=args.prompts, rows=args.rows),
            "rollout.max_new_tokens=40",
            f"optimizer.schedule.warmup_steps={args.warmup}",
        ]
        first, *others = arms
        found[first].append(trained([*given, f"training.steps={steps}"]))
        budget = found[first][-1].tokens[-1]
        for name in others:
            found[name].append(trained_to(budget, [*given, *arms[name]], int(0.9 * steps)))
    levels = [level_rates(found[name]) for name in arms]
    return table(
        {
            "steps": [[len(run.steps) for run in runs] for runs in found.values()],
            "tokens sampled": [[run.tokens[-1] for run in runs] for runs in found.values()],
            "groups with signal": [
                [run.mean("groups/signal") for run in runs] for runs in found.values()
            ],
            "pass@1": [[mean(run.right()) for run in runs] for runs in found.values()],
            **{f"level {n}": [rates[n] for rates in levels] for n in LEVELS},
            "seconds": [[run.seconds for run in runs] for runs in found.values()],
        },
        list(arms),
        compared=("groups with signal", "pass@1", *(f"level {n}" for n in LEVELS)),
    )


def lengths(args: argparse.Namespace, start: Path) -> str:
    """Compare limits that grow with the longest one from the first step on."""
    steps = args.steps or 20
    found: dict[str, list[Trained]] = {"longest limit": [], "length_progressive": []}
    for seed in args.seeds:
        given = [*plain(args, start, seed), "rollout.max_new_tokens=40"]
        grown = ["curriculum=length_progressive", "curriculum.limits=[20,30,40]"]
        grows = trained([*given, *grown, f"training.steps={steps}"])
        found["length_progressive"].append(grows)
        guess = int(0.7 * steps)
        found["longest limit"].append(trained_to(grows.tokens[-1], given, guess))
    return table(
        {
            "steps": [[len(run.steps) for run in runs] for runs in found.values()],
            "tokens sampled": [[run.tokens[-1] for run in runs] for runs in found.values()],
            "pass@1": [[mean(run.right()) for run in runs] for runs in found.values()],
            "length": [[mean(run.lengths()) for run in runs] for runs in found.values()],
            "cut off": [[mean(run.cut()) for run in runs] for runs in found.values()],
            "seconds": [[run.seconds for run in runs] for runs in found.values()],
        },
        list(found),
        compared=("pass@1", "length", "seconds"),
    )


def rewards(args: argparse.Namespace, start: Path) -> str:
    """Compare weights that learn with fixed ones, by the fronts of three rewards in conflict."""
    steps = args.steps or 12
    verifier = Path(__file__).with_name("trade_offs.py")
    parts = ",".join(PARTS)
    arms: dict[str, list[str]] = {
        "hypervolume": [
            "reward_weighting=hypervolume",
            "evaluations.objectives.evaluation=part_means",
            f"evaluations.objectives.evaluation.parts=[{parts}]",
            "evaluations.objectives.evaluation.bootstrap=0",
            "reward_weighting.evaluation=objectives",
            f"reward_weighting.maximised=[{parts}]",
            "reward_weighting.minimised=[]",
        ],
        "gradient": ["reward_weighting=gradient", "reward_weighting.rate=1e-6"],
        "fixed": [],
    }
    found: dict[str, dict[str, list[Trained]]] = {
        name: {str(weights): [] for weights in WEIGHTS} for name in ("fixed", *list(arms)[:2])
    }
    for seed in args.seeds:
        for weights in WEIGHTS:
            pairs = ", ".join(f"{n}: {w}" for n, w in zip(PARTS, weights, strict=True))
            given = [
                *plain(args, start, seed),
                "objective=dr_grpo",
                f"verifier={verifier}:score",
                "rollout.max_new_tokens=40",
            ]
            weighed = f"reward_weighting.weights={{{pairs}}}"
            measured = trained([*given, *arms["hypervolume"], weighed, f"training.steps={steps}"])
            found["hypervolume"][str(weights)].append(measured)
            for name in ("gradient", "fixed"):
                run = trained_to(measured.tokens[-1], [*given, *arms[name], weighed], steps)
                found[name][str(weights)].append(run)
    fronts = {
        name: {
            weights: [tuple(run.part(part) for part in PARTS) for run in runs]
            for weights, runs in series.items()
        }
        for name, series in found.items()
    }
    flat = {
        f"{name}, {weights}": runs for name, by in found.items() for weights, runs in by.items()
    }
    told_of_runs = table(
        {
            "steps": [[len(run.steps) for run in runs] for runs in flat.values()],
            "tokens sampled": [[run.tokens[-1] for run in runs] for runs in flat.values()],
            **{
                part: [[run.part(part) for run in runs] for runs in flat.values()] for part in PARTS
            },
            "seconds": [[run.seconds for run in runs] for runs in flat.values()],
        },
        list(flat),
    )
    origin = (0.0,) * len(PARTS)
    volumes = [
        [
            hypervolume([series[weights][seed] for weights in series], origin)
            for seed in range(len(args.seeds))
        ]
        for series in fronts.values()
    ]
    worth = table({"hypervolume": volumes}, list(fronts), compared=("hypervolume",))
    panels = {
        (PARTS[a], PARTS[b]): {
            name: {
                weights: [(point[a], point[b]) for point in points]
                for weights, points in series.items()
            }
            for name, series in fronts.items()
        }
        for a, b in ((1, 0), (1, 2), (0, 2))
    }
    args.figure.write_text(scatter(panels, "Fronts of accuracy, brevity and worked steps"))
    return f"{told_of_runs}\n{worth}"


def level_rates(runs: Sequence[Trained]) -> dict[int, list[float]]:
    """Return level → the share of right answers of each run."""
    rows = Arithmetic(levels=len(LEVELS), test_size=TEST_SIZE).rows("test", 0)
    levels = dict(zip(rows.column("prompt"), rows.column("level"), strict=True))
    rates = [run.by(levels) for run in runs]
    return {level: [each[level] for each in rates] for level in LEVELS}


if __name__ == "__main__":
    main()
