"""Every objective from one supervised model at equal tokens, and what its source claims.

    python benchmarks/methods.py --plan                                   # what would be trained
    python benchmarks/methods.py --page docs/results.md                   # all: hours of a CPU
    python benchmarks/methods.py grpo ghpo nsr --worlds hard --seeds 1 2 3

For each world of problems one small model is taught a little; every objective trains a copy of it
over several seeds, by the launcher ``local_pool``, until it has sampled as many tokens as GRPO in
``--steps`` steps with the same seed (what samples nothing has as many to learn from). Models are
measured on the same held-out problems. Beside each stands what its source claims and whether the
signs of that are seen (``claims.py``). What is there is not trained again: a command that was cut
short is typed again, and names or seeds add to the page what they add.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

from claims import BEFORE, CLAIMS, Sign
from method_members import COMMON, SMALL, WORLDS, World, member, objectives, trained_in
from pooled import Made, in_pool, to_budgets
from tables import between, half_width, told

#: The share of a run's last steps whose entropy counts.
LAST = 0.2


@dataclass(frozen=True)
class Score:
    """What one member came to; NaN where the method has no such number."""

    pass_at_1: float
    pass_at_k: float
    signal: float
    entropy: float
    length: float
    steps: int
    tokens: float
    seconds: float

    def of(self, metric: str) -> float:
        """Return a metric by the name that claims have for it."""
        names = {"pass@1": "pass_at_1", "pass@k": "pass_at_k"}
        return float(getattr(self, names.get(metric, metric)))


def main() -> None:
    """Train what is missing, and write what all of it came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("objectives", nargs="*", help="names; none: all there are")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--steps", type=int, default=40, help="steps of grpo, which set the budget")
    parser.add_argument("--sft-steps", type=int, default=300)
    parser.add_argument("--lr", default="1e-4", help="learning rate of policy gradients")
    parser.add_argument("--problems", type=int, default=200, help="held-out problems")
    parser.add_argument("--tries", type=int, default=16, help="k of pass@k")
    parser.add_argument("--workers", type=int, default=1, help="members at a time")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--page", type=Path, help="a page whose tables are replaced")
    parser.add_argument("--report", type=Path, help="reports: FILE-WORLD.html")
    parser.add_argument("--plan", action="store_true", help="only say what would be trained")
    args = parser.parse_args()
    if unknown := set(args.objectives) - set(objectives()):
        parser.error(f"there is no objective {min(unknown)}; etude list objective")
    chosen = [WORLDS[name] for name in args.worlds]
    worlds = [world for world in chosen if not world.package or find_spec(world.package)]
    if args.plan:
        for world in worlds:
            print(f"{world.name}: {', '.join(wanted(args.objectives, world))}")
        return
    for world in worlds:
        run(world, wanted(args.objectives, world), args)
    kept = read(file_of(args))
    text = "\n".join(page(kept, world) for world in worlds)
    print(text)
    if args.page is not None:
        for world in worlds:
            args.page.write_text(between(args.page.read_text(), world.name, page(kept, world)))


def wanted(names: Sequence[str], world: World) -> list[str]:
    """Return the objectives to train in a world, GRPO first, with those that claims name."""
    chosen = [name for name in names or objectives() if world.name in trained_in(name)]
    than = [sign.than for name in chosen for sign in CLAIMS[name].signs]
    others = [*chosen, *(name for name in than if name != BEFORE)]
    return ["grpo", *sorted({name for name in others if name != "grpo"})]


def run(world: World, names: Sequence[str], args: argparse.Namespace) -> None:
    """Train the objectives in a world, and keep what they came to."""
    taught = [
        "recipe=sft",
        *SMALL,
        *COMMON,
        *world.taught,
        f"training.steps={args.sft_steps}",
        "optimizer.lr=1e-3",
        "evaluation=null",
    ]
    start = in_pool({"start": taught}, args.outputs, 1)["start"].last.model
    made = {
        (name, seed): member(name, world, str(start), seed, args)
        for name in names
        for seed in args.seeds
    }
    words = {
        key: each.with_steps(args.steps, measured=True)
        for key, each in made.items()
        if key[0] == "grpo"
    }
    first = in_pool(words, args.outputs, args.workers)
    others = {key: each for key, each in made.items() if key[0] != "grpo"}
    if others:
        allowed = {key: first["grpo", key[1]].spent[-1] for key in others}
        words |= to_budgets(others, allowed, max(2, args.steps // 4), args.outputs, args.workers)
    report = args.report and args.report.with_stem(f"{args.report.stem}-{world.name}")
    found = in_pool(words, args.outputs, args.workers, report)  # all is there: it is read, and told
    before = first_measure(found[("grpo", args.seeds[0])], args.tries)
    keep(
        file_of(args), world, {key: score(each, args.tries) for key, each in found.items()}, before
    )


def score(made: Made, tries: int) -> Score:
    """Return what a member came to."""
    steps = made.stages[0].steps
    measured = read_metrics(made.last.evaluation)
    last = steps[-max(1, round(LAST * len(steps))) :]
    return Score(
        measured["pass@1"],
        measured[f"pass@{tries}"],
        _mean(steps, "groups/signal"),
        _mean(last, "policy/entropy"),
        measured["length"],
        len(steps),
        made.spent[-1],
        made.seconds,
    )


def _mean(lines: Sequence[Mapping[str, float]], metric: str) -> float:
    values = [line[metric] for line in lines if metric in line]
    return mean(values) if values else float("nan")


def read_metrics(folder: Path | None) -> dict[str, float]:
    """Return the metrics of an evaluation."""
    assert folder is not None
    found = json.loads((folder / "result.json").read_text())["metrics"]
    return {name: each["value"] for name, each in found.items()}


def first_measure(made: Made, tries: int) -> dict[str, float]:
    """Return what the model came to that all members of a world start from."""
    assert made.before is not None
    measured = read_metrics(made.before)
    return {
        "pass@1": measured["pass@1"],
        "pass@k": measured[f"pass@{tries}"],
        "length": measured["length"],
    }


Kept = dict[str, dict[str, object]]


def file_of(args: argparse.Namespace) -> Path:
    """Return where scores are kept: trainings of other settings are never in one table."""
    settings = (args.steps, args.sft_steps, args.lr, args.problems, args.tries)
    return Path(args.outputs / f"methods-{'-'.join(map(str, settings))}.json")


def keep(
    file: Path,
    world: World,
    found: Mapping[tuple[str, int], Score],
    before: Mapping[str, float],
) -> None:
    """Add scores to those that are kept."""
    kept = read(file)
    mine = kept.setdefault(world.name, {"before": {}, "scores": {}})
    mine["before"] = dict(before)
    scores = mine["scores"]
    assert isinstance(scores, dict)
    for (name, seed), each in found.items():
        scores.setdefault(name, {})[str(seed)] = asdict(each)
    file.write_text(json.dumps(kept, indent=1))


def read(file: Path) -> Kept:
    """Return the scores that are kept: world → scores by objective and seed, and those before."""
    found: Kept = json.loads(file.read_text()) if file.exists() else {}
    return found


def page(kept: Kept, world: World) -> str:
    """Return the tables of a world: numbers with intervals, claims, and what is missing."""
    mine = kept.get(world.name)
    if mine is None:
        return "Nothing was trained here yet.\n"
    before: Mapping[str, float] = mine["before"]  # type: ignore[assignment]
    scores = {
        name: {int(seed): Score(**each) for seed, each in by.items()}
        for name, by in mine["scores"].items()  # type: ignore[attr-defined]
    }
    lines = [
        "| objective | seeds | pass@1 | − grpo | pass@k | − grpo | signal | entropy | length |"
        " steps | thousand tokens |",
        f"|{' --- |' * 11}",
        f"| *before* | | {before['pass@1']:.3f} | | {before['pass@k']:.3f} | | | |"
        f" {before['length']:.1f} | | |",
    ]
    claims = ["| objective | its source says | seen here |", "| --- | --- | --- |"]
    for name in ["grpo", *sorted(set(scores) - {"grpo"})]:
        by = scores[name]
        seeds = sorted(by)
        cells = [name, str(len(seeds))]
        for metric in ("pass@1", "pass@k"):
            cells.append(told([by[seed].of(metric) for seed in seeds]))
            gain = differences(scores, before, name, Sign(metric, "+"))
            cells.append("" if name == "grpo" or not gain else told(gain, "+"))
        for metric in ("signal", "entropy", "length"):
            values = [by[seed].of(metric) for seed in seeds]
            cells.append("" if any(value != value for value in values) else told(values))
        cells.append(f"{mean(each.steps for each in by.values()):.0f}")
        cells.append(f"{mean(each.tokens for each in by.values()) / 1000:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
        if name in CLAIMS:
            seen = "; ".join(verdict(scores, before, name, sign) for sign in CLAIMS[name].signs)
            home = "" if CLAIMS[name].home == world.name else f" (made for: {CLAIMS[name].home})"
            claims.append(f"| {name}{home} | {CLAIMS[name].says} | {seen} |")
    missing = [
        name for name in objectives() if world.name in trained_in(name) and name not in scores
    ]
    seconds = sum(each.seconds for by in scores.values() for each in by.values())
    count = sum(len(by) for by in scores.values())
    ending = f"{count} trainings, whose steps took {seconds / 60:.0f} minutes."
    if missing:
        ending += f" Not trained here: {', '.join(missing)}."
    return "\n".join([*lines, "", *claims, "", ending, ""])


Scores = Mapping[str, Mapping[int, Score]]


def differences(scores: Scores, before: Mapping[str, float], name: str, sign: Sign) -> list[float]:
    """Return by how much an objective's metric is above what it is compared with, by seed."""
    by = scores[name]
    if sign.than == BEFORE:
        return [each.of(sign.metric) - before[sign.metric] for each in by.values()]
    other = scores.get(sign.than, {})
    found = [by[seed].of(sign.metric) - other[seed].of(sign.metric) for seed in by if seed in other]
    return [value for value in found if value == value]


def verdict(scores: Scores, before: Mapping[str, float], name: str, sign: Sign) -> str:
    """Say whether a sign of a claim is seen."""
    what = f"{sign.metric} {sign.way} {sign.than}" if sign.than != name else sign.metric
    gains = differences(scores, before, name, sign)
    if len(gains) < 2:
        return f"{what}: not measured"
    middle, half = mean(gains), half_width(gains)
    if sign.way == "=":
        seen = "lower" if middle + half < 0 else "seen"
        return f"{what}: {seen} ({middle:+.3f} ± {half:.3f})"
    along = middle if sign.way == "+" else -middle
    seen = "seen" if along - half > 0 else "the opposite" if along + half < 0 else "not told apart"
    return f"{what}: {seen} ({middle:+.3f} ± {half:.3f})"


if __name__ == "__main__":
    main()
