"""`etude measure checkpoints`: whether a cheap evaluation chooses the checkpoints that are good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from etude.cli.frame import Parser, tell
from etude.errors import DataError
from etude.measures.along import curve
from etude.measures.naming import stage_folder
from etude.measures.table import aligned, number
from etude.printable import in_json
from etude.statistics.choosing import top_k


def main(words: Sequence[str]) -> int:
    """Tell what a proxy's favourites are worth: etude measure checkpoints STAGE --proxy METRIC."""
    parser = Parser("etude measure checkpoints", description=main.__doc__)
    parser.add_argument("stage", help="a stage that was measured along the way: rl-9be2")
    parser.add_argument(
        "--proxy",
        required=True,
        help="what would choose: dev/pass@1, or -loss where less is better",
    )
    parser.add_argument("--value", default="pass@1", help="what counts: pass@1, ood/pass@1")
    parser.add_argument(
        "--baseline",
        type=float,
        help="value of the model in use; default: that of the first measured step",
    )
    parser.add_argument(
        "--population", action="store_true", help="deviation over k, as the paper; default: k − 1"
    )
    parser.add_argument("--most", type=int, help="largest k; default: all candidates")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where stages lie")
    given = parser.parse_args(list(words))
    folder = stage_folder(given.stage, given.outputs.expanduser().absolute())
    proxy, values = curve(folder, given.proxy), curve(folder, given.value)
    steps = [step for step in values if step in proxy]
    if len(steps) < 2:
        raise DataError(
            f"{folder.name} measured both at {len(steps)} of its steps; execution.evaluate_every "
            "measures more"
        )
    baseline = values[steps[0]] if given.baseline is None else given.baseline
    worth, ranked = [values[step] for step in steps], [proxy[step] for step in steps]
    found = [
        top_k(worth, ranked, baseline, k, sample=not given.population)
        for k in range(1, min(given.most or len(steps), len(steps)) + 1)
    ]
    if given.json:
        content = {"steps": steps, "baseline": baseline, "top": [asdict(each) for each in found]}
        tell(in_json(json.dumps(content, indent=1)))
        return 0
    tell(f"{folder.name}: {len(steps)} checkpoints by {given.proxy}, worth {given.value}\n")
    rows = [["k", "best", "worst", "mean", "std", "SharpeRatio"]]
    for each in found:
        cells = (each.best, each.worst, each.mean, each.spread, each.sharpe)
        rows.append([str(each.k), *map(number, cells)])
    for line in aligned(rows):
        tell(line)
    return 0
