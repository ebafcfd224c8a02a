"""SFT, DPO and GRPO by etude and by TRL: learning curves, time and memory, side by side.

    python benchmarks/against_trl.py                                   # all, five seeds
    python benchmarks/against_trl.py --methods sft dpo --seeds 1 2 3
    python benchmarks/against_trl.py --page docs/against_trl.md --figure docs/against_trl.svg

Both start from the same weights and are given the same rows in the same order (``same_rows.py``),
with the same optimizer. SFT and DPO see every row once, so that their losses can be compared step
by step; GRPO ends when both have sampled as many tokens. SFT begins with random weights, DPO and
GRPO with a model that was taught a little. The models are measured by one evaluation, those of GRPO
at five points. Each side trains a method in a process of its own, and every result is kept in
``--outputs``: what is there is not made again. Bands and intervals are those of Student's t over
the seeds. Needs the extra ``benchmarks`` (TRL).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from tables import between, half_width, table, told

SIDES = ("etude", "trl")
METHODS = ("sft", "dpo", "grpo")
LEVELS = [1, 2]

#: Steps of SFT and DPO, and the tokens that GRPO samples.
STEPS = {"sft": 120, "dpo": 40}
SAMPLED = 180_000

SMALL = ("model.hidden_size=64", "model.layers=2", "model.intermediate_size=192")

#: What is found of one training: lists by point (tokens, pass@1) and by step (the rest).
Found = Mapping[str, Any]


def main() -> None:
    """Train what is missing, then print and write what it came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--page", type=Path, help="a page whose tables are replaced")
    parser.add_argument("--figure", type=Path, default=Path("against_trl.svg"))
    parser.add_argument("--only", choices=SIDES, help="in this process, one side of one method")
    args = parser.parse_args()
    if args.only is not None:
        for seed in args.seeds:
            train(args.methods[0], args.only, seed, args.outputs)
        return
    models(args.outputs)
    found: dict[str, dict[str, list[Found]]] = {}
    for method in args.methods:
        found[method] = {side: of(method, side, args.seeds, args.outputs) for side in SIDES}
    told_of = f"{outcomes(found)}\n{costs(found)}"
    print(told_of)
    draw(found, args.figure)
    if args.page is not None:
        args.page.write_text(between(args.page.read_text(), "tables", told_of))


def place(method: str, side: str, seed: int, outputs: Path) -> Path:
    """Return where the result of one training is kept."""
    return outputs / "against_trl" / f"{method}-{side}-{seed}.json"


def of(method: str, side: str, seeds: Sequence[int], outputs: Path) -> list[Found]:
    """Return the results of a side, of which a process of its own makes those that are missing."""
    files = {seed: place(method, side, seed, outputs) for seed in seeds}
    missing = [str(seed) for seed, file in files.items() if not file.exists()]
    if missing:
        command = [sys.executable, __file__, "--methods", method, "--only", side]
        subprocess.run([*command, "--outputs", str(outputs), "--seeds", *missing], check=True)
    return [json.loads(file.read_text()) for file in files.values()]


def models(outputs: Path) -> None:
    """Make the two models that trainings start from: random weights, and a little taught ones."""
    import torch
    from equal_tokens import trained

    torch.set_num_threads(1)
    folder = outputs / "against_trl"
    if not (folder / "random").exists():
        from etude.model.scratch import Scratch

        scratch = Scratch(hidden_size=64, layers=2, intermediate_size=192)
        scratch.create(0, torch.device("cpu")).save(folder / "random")
    if not (folder / "taught").exists():
        made = trained(
            [
                "recipe=sft",
                *SMALL,
                f"outputs={outputs}",
                f"data_mix.train.arithmetic.levels={str(LEVELS).replace(' ', '')}",
                f"data_mix.held_out.arithmetic.levels={str(LEVELS).replace(' ', '')}",
                "training.steps=300",
                "optimizer.lr=1e-3",
                "evaluation=null",
                "tracker=none",
                "execution.threads=1",
                "execution.micro_batch_tokens=8192",
                "execution.checkpoint_every=0",
            ]
        )
        (folder / "taught").symlink_to(made.model.resolve())


def train(method: str, side: str, seed: int, outputs: Path) -> None:
    """Train one, measure its points, and write what was found."""
    import torch
    from same_rows import LONGEST, ROWS, Task, by_etude, by_trl, measured

    from etude.cli.frame import let_threads_sleep

    let_threads_sleep()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    folder = outputs / "against_trl"
    count = ROWS[method] * STEPS.get(method, 0) or 6000
    rows = problems(method, seed, count)
    model = folder / ("random" if method == "sft" else "taught")
    work = folder / "work" / f"{method}-{side}-{seed}"
    task = Task(method, seed, model.resolve(), rows, SAMPLED, work)
    if method != "grpo":
        task = Task(method, seed, model.resolve(), rows, task.tokens_of(rows), work)
    course = (by_etude if side == "etude" else by_trl)(task)
    points = list(measured(task, course, LEVELS))
    found = {
        "tokens": course.tokens,
        "pass@1": [point["pass@1"] for point in points],
        "length": [point["length"] for point in points],
        "losses": course.losses,
        "rewards": course.rewards,
        "wall": course.wall,
        "processor": course.processor,
        "memory": course.memory,
        "longest": LONGEST,
    }
    file = place(method, side, seed, outputs)
    half_done = file.with_suffix(".part")
    half_done.write_text(json.dumps(found))
    half_done.rename(file)
    seconds = sum(course.processor)
    print(f"{method} {side} seed {seed}: {len(course.wall)} steps, {seconds:.0f} s", flush=True)


def problems(method: str, seed: int, count: int) -> list[dict[str, str]]:
    """Return rows to train on, in an order that the seed decides."""
    import numpy as np

    from etude.sources.arithmetic import Arithmetic

    source = Arithmetic(levels=max(LEVELS), train_size=8000).rows("train", 0)
    random = np.random.default_rng(seed)
    passes = -(-count // len(source))
    order = np.concatenate([random.permutation(len(source)) for _ in range(passes)])[:count]
    rows = []
    for number in order.tolist():
        row = source[number]
        told_of = {"prompt": row["prompt"], "answer": row["answer"], "solution": row["solution"]}
        if method == "dpo":
            wrong = int(row["answer"]) + int(random.integers(1, 10))
            steps = row["solution"].rpartition("A:")[0]
            told_of = {
                "prompt": row["prompt"],
                "chosen": row["solution"],
                "rejected": f"{steps}A:{wrong}",
            }
        rows.append(told_of)
    return rows


def outcomes(found: Mapping[str, Mapping[str, Sequence[Found]]]) -> str:
    """Return a table of what models learned, and how far the losses of the same rows differ."""
    lines = [
        "| | seeds | pass@1 before | etude after | TRL after | etude − TRL |"
        " area under the curve, etude − TRL | largest difference of a step's loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method, sides in found.items():
        ours, theirs = sides["etude"], sides["trl"]
        pairs = list(zip(ours, theirs, strict=True))
        after = [[run["pass@1"][-1] for run in each] for each in (ours, theirs)]
        areas = [mean(a["pass@1"]) - mean(b["pass@1"]) for a, b in pairs]
        area = told(areas, "+") if method == "grpo" else ""
        cells = [
            method,
            str(len(pairs)),
            f"{ours[0]['pass@1'][0]:.3f}",
            told(after[0]),
            told(after[1]),
            told([a - b for a, b in zip(*after, strict=True)], "+"),
            area,
            "other samples" if method == "grpo" else f"{largest(pairs):.1e}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def largest(pairs: Sequence[tuple[Found, Found]]) -> float:
    """Return the largest difference between the losses of a step, which has the same rows."""
    return max(
        abs(one - other)
        for a, b in pairs
        for one, other in zip(a["losses"], b["losses"], strict=True)
    )


def costs(found: Mapping[str, Mapping[str, Sequence[Found]]]) -> str:
    """Return a table of what a step took."""
    names, seconds, processor, memory = [], [], [], []
    for method, sides in found.items():
        for side, runs in sides.items():
            names.append(f"{method}, {side}")
            seconds.append([median(run["wall"][1:]) for run in runs])
            processor.append([median(run["processor"][1:]) for run in runs])
            memory.append([run["memory"] for run in runs])
    columns = {
        "seconds a step": seconds,
        "of the processor": processor,
        "memory above the start, MiB": memory,
    }
    return table(columns, names)


def draw(found: Mapping[str, Mapping[str, Sequence[Found]]], file: Path) -> None:
    """Write the learning curves: means over the seeds with bands, one panel a method."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "against_trl"  # the same figure from the same numbers
    figure, panels = pyplot.subplots(1, len(found), figsize=(4 * len(found), 3.2), squeeze=False)
    for panel, (method, sides) in zip(panels[0], found.items(), strict=True):
        for side, colour, line in zip(SIDES, ("#c2410c", "#1d4ed8"), ("-", "--"), strict=True):
            across, courses = curve(method, sides[side])
            points = list(zip(*courses, strict=True))
            middle = [mean(point) for point in points]
            halves = [half_width(point) for point in points]
            panel.plot(across, middle, line, color=colour, label=side)
            low = [m - h for m, h in zip(middle, halves, strict=True)]
            high = [m + h for m, h in zip(middle, halves, strict=True)]
            panel.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set_title(method)
        panel.set_xlabel("thousand tokens" if method == "grpo" else "step")
        panel.set_ylabel("pass@1" if method == "grpo" else "loss")
    panels[0][0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def curve(method: str, runs: Sequence[Found]) -> tuple[list[float], list[Sequence[float]]]:
    """Return what a method's course is drawn over, and the course of each seed."""
    if method == "grpo":
        across = [mean(tokens) / 1000 for tokens in zip(*(r["tokens"] for r in runs), strict=True)]
        return across, [run["pass@1"] for run in runs]
    return [float(step) for step in range(len(runs[0]["losses"]))], [run["losses"] for run in runs]


if __name__ == "__main__":
    main()
