"""How often verifier=math is right, by class, against math-verify alone and a string match.

    python benchmarks/judging.py FOLDER
    python benchmarks/judging.py FOLDER --every 25

FOLDER holds what is there of ``golden/math_verification.json`` (cases with class, response, gold
and whether they should match; where it has what math-verify said, that counts),
``data/gsm8k_graded_solutions`` (solutions with published flags) and ``data/math_answer_forms``
(one answer in two forms). Printed are the confusion table by class, the agreement with the flags,
the share of forms accepted, what is left by class, and the time a row. Times are seconds of CPU in
one process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from etude.rows import Candidate, Outcome
from etude.verifier.extract import last_box
from etude.verifier.math import Math
from etude.verifier.number import Number


def judged(verifier: Math | Number, response: str, gold: str) -> bool:
    """Return whether a verifier accepts a response."""
    (verdict,) = verifier.verdicts([Candidate("row", 0, "", response, {"answer": gold})])
    return verdict.outcome is Outcome.CORRECT


def by_math_verify(response: str, gold: str) -> bool:
    """Return what math-verify says with its defaults, the right answer between dollars."""
    from math_verify import parse, verify

    return bool(verify(parse(f"${gold}$"), parse(response)))


def by_text(response: str, gold: str) -> bool:
    """Return whether the last box holds the right answer, spaces and text wrappers aside."""
    box = last_box(response)
    given = response if box is None else box[1]
    plain = [re.sub(r"\\text|[\s${}]|\\[,!;]", "", text).rstrip(".") for text in (given, gold)]
    return plain[0] == plain[1]


def confusion(cases: Sequence[dict[str, Any]], times: list[float]) -> None:
    """Print right and wrong verdicts by class, for each way to judge."""
    verifier = Math()
    ways: dict[str, Callable[[str, str], bool]] = {
        "verifier=math": lambda response, gold: judged(verifier, response, gold),
        "math-verify": by_math_verify,
        "text": by_text,
    }
    missed: dict[str, dict[str, list[str]]] = {way: defaultdict(list) for way in ways}
    taken: dict[str, dict[str, list[str]]] = {way: defaultdict(list) for way in ways}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for case in cases:
        kind, should = case["class"], bool(case["should_match"])
        counts[kind][not should] += 1
        for way, accepts in ways.items():
            began = time.process_time()
            recorded = case.get("math_verify", {}).get("match") if way == "math-verify" else None
            said = accepts(case["response"], case["gold"]) if recorded is None else recorded
            if way == "verifier=math":
                times.append(time.process_time() - began)
            if said != should:
                (missed if should else taken)[way][kind].append(case["id"])
    print(f"{'class':28}{'right':>6}{'wrong':>6}   missed / taken for right, by")
    print(f"{'':43}{'  '.join(f'{way:>13}' for way in ways)}")
    for kind, (right, wrong) in counts.items():
        cells = [f"{len(missed[way][kind])} / {len(taken[way][kind])}" for way in ways]
        print(f"{kind:28}{right:6}{wrong:6}   {'  '.join(f'{cell:>13}' for cell in cells)}")
    sums = [
        f"{sum(map(len, missed[way].values()))} / {sum(map(len, taken[way].values()))}"
        for way in ways
    ]
    total = [sum(count[side] for count in counts.values()) for side in (0, 1)]
    print(f"{'all':28}{total[0]:6}{total[1]:6}   {'  '.join(f'{cell:>13}' for cell in sums)}")
    left = [*missed["verifier=math"].items(), *taken["verifier=math"].items()]
    for kind, names in left:
        if names:
            print(f"  left in {kind}: {', '.join(names)}")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file, packed or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def agreement(rows: Sequence[dict[str, Any]], times: list[float]) -> None:
    """Print how often verdicts agree with published flags, for both verifiers."""
    for name, verifier in (("math", Math()), ("number", Number())):
        differing = []
        for row in rows:
            gold = row["ground_truth"].rpartition("A:")[2].strip()
            began = time.process_time()
            said = judged(verifier, row["solution"], gold)
            if name == "math":
                times.append(time.process_time() - began)
            if said != row["is_correct"]:
                differing.append(f"{row['id']} ({'accepted' if said else 'not accepted'})")
        same = len(rows) - len(differing)
        print(f"verifier={name}: {same} of {len(rows)} graded solutions as published", *differing)


def forms(rows: Sequence[dict[str, Any]], times: list[float]) -> None:
    """Print how many answers are accepted in their other form, and which are not."""
    verifier, rejected = Math(), []
    for row in rows:
        began = time.process_time()
        if not judged(verifier, f"\\boxed{{{row['other_form']}}}", row["answer"]):
            rejected.append(row)
        times.append(time.process_time() - began)
    damaged = [row for row in rejected if "matrix" in row["answer"]]
    print(
        f"other forms: {len(rows) - len(rejected)} of {len(rows)} accepted;"
        f" {len(damaged)} of the others are matrices that lost their row ends"
    )
    for row in rejected:
        if row not in damaged:
            print(f"  {row['answer']}   as   {row['other_form']}")


def main() -> None:
    """Print what the folder has material for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="holds golden/ and data/")
    parser.add_argument("--every", type=int, default=1, help="take every n-th row of the data")
    given = parser.parse_args()
    Math().warm()
    times: list[float] = []
    golden = given.folder / "golden" / "math_verification.json"
    graded = given.folder / "data" / "gsm8k_graded_solutions" / "model_solutions.jsonl.gz"
    alike = given.folder / "data" / "math_answer_forms" / "forms.jsonl"
    if golden.is_file():
        confusion(json.loads(golden.read_text(encoding="utf-8"))["cases"], times)
    if graded.is_file():
        agreement(read(graded)[:: given.every], times)
    if alike.is_file():
        forms(read(alike)[:: given.every], times)
    times.sort()
    if times:
        places = [times[int(share * (len(times) - 1))] * 1000 for share in (0.5, 0.99, 1.0)]
        print("time a row: p50 {:.2f} ms, p99 {:.1f} ms, most {:.0f} ms".format(*places))


if __name__ == "__main__":
    main()
