"""`etude measure weights`: what training moved between checkpoints, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etude.cli.frame import Parser, let_threads_sleep, tell
from etude.errors import ConfigError, Fault
from etude.measures.naming import model_folder
from etude.measures.table import aligned, number
from etude.measures.weights import TOLERANCE, Comparison, Overlap, Update, compare
from etude.printable import in_json

_MOST = 6


def main(words: Sequence[str]) -> int:
    """Tell what training moved: etude measure weights BEFORE AFTER [AFTER …]."""
    parser = Parser("etude measure weights", description=main.__doc__)
    parser.add_argument("before", help="the model before: a folder, or a stage (sft-51ab)")
    parser.add_argument("after", nargs="+", help="models that came of it; two or more are compared")
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float16", "float32"),
        help="subtract in this dtype, the one the model is served in; default: as stored",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        action="append",
        help=f"largest change that counts as none ({TOLERANCE:g}); may be given several times",
    )
    parser.add_argument("--no-ranks", action="store_true", help="leave out the ranks: much faster")
    parser.add_argument("--json", action="store_true", help="for programs, with every parameter")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where stages lie")
    given = parser.parse_args(list(words))
    outputs = given.outputs.expanduser().absolute()
    tolerances = sorted(given.tolerance or [TOLERANCE])
    if tolerances[0] < 0:
        raise ConfigError([Fault("--tolerance", f"is {tolerances[0]:g}; it is not negative.")])
    let_threads_sleep()
    found = compare(
        model_folder(given.before, outputs),
        [model_folder(each, outputs) for each in given.after],
        tolerances=tolerances,
        dtype=given.dtype,
        ranks=not given.no_ranks,
    )
    if given.json:
        tell(in_json(json.dumps(as_json(found, given.after, tolerances), indent=1)))
        return 0
    for name, update in zip(given.after, found.updates, strict=True):
        tell(f"{given.before} → {name}\n")
        for line in of_update(update, tolerances):
            tell(line)
        tell()
    for (one, other), overlap in found.overlaps.items():
        for line in of_overlap(given.after[one], given.after[other], overlap, max(tolerances)):
            tell(line)
    return 0


def of_update(update: Update, tolerances: Sequence[float]) -> Iterator[str]:
    """Yield one update: its sparsity, its rank, and where in the model it lies."""
    yield from aligned(
        [
            ["numbers compared", f"{update.entries:,}"],
            ["exactly unchanged", f"{update.exact_zero:.2%}"],
            *([f"changed by ≤ {t:g}", f"{update.sparsity(t):.2%}"] for t in tolerances),
            ["rank of the update over full rank", number(update.mean_rank_fraction)],
        ]
    )
    yield ""
    kinds = update.density_by_kind()
    yield from aligned([["share changed of", *kinds], ["", *(f"{v:.1%}" for v in kinds.values())]])
    yield ""
    norms, layers = update.norm_by_layer(), update.density_by_layer()
    rows = [[str(layer), f"{share:.1%}", f"{norms[layer]:.3g}"] for layer, share in layers.items()]
    if rows:
        yield from aligned([["layer", "update density", "length"], *rows])
    for what, names in (
        ("only in the model before", update.only_before),
        ("only in the model after", update.only_after),
        ("of another shape, common rows compared", update.cut),
    ):
        if names:
            shown = ", ".join(names[:_MOST]) + (" …" if len(names) > _MOST else "")
            yield f" {what}: {len(names)} ({shown})"


def of_overlap(one: str, other: str, overlap: Overlap, tolerance: float) -> Iterator[str]:
    """Yield how far two updates moved the same weights."""
    yield f"{one} and {other}\n"
    shares = (overlap.of_first, overlap.of_second)
    chances = (overlap.chance_of_first, overlap.chance_of_second)
    yield from aligned(
        [
            ["", "moved by both", "by chance"],
            *(
                [f"of what {name} moved", number(share, ".1%"), number(chance, ".1%")]
                for name, share, chance in zip((one, other), shares, chances, strict=True)
            ),
            ["of what either moved", number(overlap.jaccard, ".1%")],
            [f"the two agree within {tolerance:g}", f"{overlap.agreement:.1%}"],
        ]
    )
    yield ""


def as_json(found: Comparison, names: Sequence[str], tolerances: Sequence[float]) -> dict[str, Any]:
    """Return a comparison as programs read it."""
    return {
        "updates": [
            {
                "after": name,
                "entries": update.entries,
                "exact_zero": update.exact_zero,
                "sparsity": {f"{t:g}": update.sparsity(t) for t in tolerances},
                "mean_rank_fraction": update.mean_rank_fraction,
                "update_density": {str(n): v for n, v in update.density_by_layer().items()},
                "density_by_kind": update.density_by_kind(),
                "norm_by_layer": {str(n): v for n, v in update.norm_by_layer().items()},
                "only_before": update.only_before,
                "only_after": update.only_after,
                "common_rows": update.cut,
                "parameters": [
                    {
                        "name": each.name,
                        "entries": each.entries,
                        "density": each.density,
                        "norm": each.norm,
                        "rank": each.rank,
                        "full_rank": each.full or None,
                    }
                    for each in update.parameters
                ],
            }
            for name, update in zip(names, found.updates, strict=True)
        ],
        "overlaps": [
            {
                "first": names[one],
                "second": names[other],
                "of_first": overlap.of_first,
                "of_second": overlap.of_second,
                "chance_of_first": overlap.chance_of_first,
                "chance_of_second": overlap.chance_of_second,
                "jaccard": overlap.jaccard,
                "agreement": overlap.agreement,
            }
            for (one, other), overlap in found.overlaps.items()
        ],
    }
