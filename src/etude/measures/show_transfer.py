"""`etude measure transfer`: what a run's stages kept, gained and lost, as a person reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etude.cli.frame import Parser, tell
from etude.errors import ConfigError, DataError, Fault
from etude.execute.lines import raw_lines
from etude.launch.seeing.asked import named_or_newest
from etude.measures.chain import Chain, chains
from etude.measures.naming import stage_folder
from etude.measures.table import aligned, number
from etude.measures.transfer import relative_performance, sample_efficiency, smoothed
from etude.printable import in_json

#: Steps over which a training curve is averaged before its saturation is read.
_WINDOW = 10


def main(words: Sequence[str]) -> int:
    """Tell what stages kept, gained and lost: etude measure transfer [RUN] [BENCHMARK=STAGES …]."""
    parser = Parser("etude measure transfer", description=main.__doc__)
    parser.add_argument("run", nargs="?", help="part of a run's name; default: the newest run")
    parser.add_argument(
        "trains",
        nargs="*",
        help="BENCHMARK=STAGE,STAGE: which stages train it, nothing after the = for none; default:"
        " those whose rows come from a source of the benchmark",
    )
    parser.add_argument("--metric", help="score of every benchmark; default: pass@1 or accuracy")
    parser.add_argument(
        "--alone",
        action="append",
        default=[],
        metavar="STAGE=OTHER",
        help="a stage that learned the same task alone (a folder, or its name), to learn from "
        "which of the two learned better; may be given several times",
    )
    parser.add_argument("--curve", default="reward/mean", help="training metric that is compared")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(list(words))
    if given.run and "=" in given.run:
        given.trains.insert(0, given.run)
        given.run = None
    outputs = given.outputs.expanduser().absolute()
    trains = dict(map(_pair, given.trains))
    folder = named_or_newest(outputs, given.run)
    found = chains(folder, trains, given.metric)
    alone: dict[str, list[Path]] = {}
    for stage, others in map(_pair, given.alone):
        alone.setdefault(stage, []).extend(stage_folder(each, outputs) for each in others)
    content = [_content(chain, alone, given.curve) for chain in found]
    if given.json:
        tell(in_json(json.dumps(content, indent=1)))
        return 0
    for chain, about in zip(found, content, strict=True):
        for line in lines(chain, about):
            tell(line)
    return 0


def lines(chain: Chain, about: dict[str, Any]) -> Iterator[str]:
    """Yield the matrix of a chain and what follows from it."""
    matrix = chain.matrix
    yield f"{chain.name}\n"
    head = ["", *(f"{name} {chain.metrics[name]}" for name in matrix.benchmarks), "trains"]
    rows = [head, ["before", *_scores(chain, 0), ""]]
    for place, stage in enumerate(matrix.stages, 1):
        trained = ", ".join(matrix.trains[place - 1]) or "none of them"
        rows.append([f"after {stage}", *_scores(chain, place), trained])
    yield from aligned(rows)
    yield ""
    kept = [[name, number(change, "+.3f")] for name, change in about["maintenance"].items()]
    yield from aligned([["kept after it was trained", "change"], *kept])
    yield ""
    moved = [
        [
            f"{each['source']} → {each['target']}",
            "forward" if each["forward"] else "backward",
            number(each["contrast"], "+.3f"),
            number(each["ratio"]),
        ]
        for each in about["transfers"]
    ]
    if moved:
        yield from aligned([["transfer", "", "contrast", "ratio"], *moved])
        yield ""
    yield from aligned(
        [
            ["mean forward contrast", number(about["mean_forward_contrast"], "+.3f")],
            ["mean backward contrast", number(about["mean_backward_contrast"], "+.3f")],
            ["mean over benchmarks at the end", number(about["final_mean"])],
            ["mean over benchmarks and stages", number(about["mean_evaluation"])],
            *(
                [f"{name} in the chain over alone: {what}", number(value)]
                for name, both in about["alone"].items()
                for what, value in both.items()
            ),
        ]
    )


def _content(chain: Chain, alone: dict[str, list[Path]], curve: str) -> dict[str, Any]:
    matrix = chain.matrix
    return {
        "run": chain.name,
        "benchmarks": list(matrix.benchmarks),
        "metrics": dict(chain.metrics),
        "stages": list(matrix.stages),
        "trains": [list(each) for each in matrix.trains],
        "scores": matrix.scores.tolist(),
        "half_intervals": [
            [None if math.isnan(v) else v for v in row] for row in chain.errors.tolist()
        ],
        "maintenance": matrix.maintenance(),
        "transfers": [asdict(each) for each in matrix.transfers()],
        "mean_forward_contrast": matrix.mean_contrast(forward=True),
        "mean_backward_contrast": matrix.mean_contrast(forward=False),
        "final_mean": matrix.final_mean,
        "mean_evaluation": matrix.mean_evaluation,
        "alone": {name: _beside(chain, name, others, curve) for name, others in alone.items()},
    }


def _beside(chain: Chain, stage: str, others: list[Path], curve: str) -> dict[str, float | None]:
    if stage not in chain.folders:
        raise DataError(f"--alone {stage}: there is no such stage; {', '.join(chain.folders)} are")
    own = _curve(chain.folders[stage], curve)
    single = [_curve(folder, curve) for folder in others]
    efficiency = [
        sample_efficiency(smoothed(own, _WINDOW), smoothed(each, _WINDOW)) for each in single
    ]
    known = [each for each in efficiency if each is not None]
    return {
        "performance": relative_performance(own, single),
        "sample efficiency": sum(known) / len(known) if known else None,
    }


def _curve(folder: Path, name: str) -> list[float]:
    lines = [line for line, _ in raw_lines(folder / "metrics.jsonl")]
    found = [float(line[name]) for line in lines if isinstance(line.get(name), (int, float))]
    if not found:
        known = ", ".join(sorted({key for line in lines for key in line} - {"step"})[:12])
        raise DataError(f"{folder.name} has no curve '{name}'; it has {known or 'none'}")
    return found


def _scores(chain: Chain, place: int) -> list[str]:
    both = zip(chain.matrix.scores[place], chain.errors[place], strict=True)
    return [f"{s:.3f}" if math.isnan(e) else f"{s:.3f} ± {e:.3f}" for s, e in both]


def _pair(word: str) -> tuple[str, list[str]]:
    name, equals, listed = word.partition("=")
    if not equals or not name:
        raise ConfigError([Fault(word, "is NAME=STAGE,STAGE here.")])
    return name, [each for each in listed.split(",") if each]
