"""How long it takes to compare many evaluations, read from their folders.

``python benchmarks/compare.py [EVALUATIONS] [PROBLEMS] [SAMPLES]`` makes up a sweep of so many
members (100 of 256 problems, 8 answers each), runs ``etude compare`` on it in a process of its own
and prints what it took beside reading the files alone.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from evidence import Recorded, samples


def main(members: int = 100, problems: int = 256, tries: int = 8) -> None:
    """Print the seconds of one comparison."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        made = Recorded(Path(place) / "outputs")
        for number in range(members):
            rates = random.beta(1.0, 1.0, size=(problems, 1))
            answers = samples(random.random((problems, tries)) < rates, response="x" * 200)
            made.stage(f"s{number}")
            made.evaluation(f"e{number}", answers, f"s{number}")
            typed = [f"objective=method{number // 5}", f"seed={number % 5}"]
            made.member(typed, f"s{number}", f"e{number}")
        folder = made.finish()
        outputs = Path(place) / "outputs"
        files = sorted(outputs.glob("evaluations/*/samples.jsonl"))
        started = time.perf_counter()
        read = sum(len(file.read_bytes()) for file in files)
        reading = time.perf_counter() - started
        code = "import sys; from etude.cli.etude import main; sys.exit(main(sys.argv[1:]))"
        words = [sys.executable, "-c", code, "compare", folder.name, "--outputs", str(outputs)]
        started = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{members} evaluations × {problems} problems × {tries} answers ({read / 2**20:.0f} MiB): "
        f"{seconds:.2f} s, {used.ru_utime + used.ru_stime:.2f} s of a processor; reading the bytes "
        f"alone {reading:.2f} s"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
