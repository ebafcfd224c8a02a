"""How soon the commands answer that start nothing, against what their libraries take to import.

    python benchmarks/answers.py
    python benchmarks/answers.py --rounds 10

Each command runs in processes of its own, in turns with a process that only imports hydra and
omegaconf; the fastest of each counts. Times are seconds of CPU, so a loaded machine does not count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

#: What a person types before anything runs, and the module of the command.
COMMANDS = {
    "train --help": "train",
    "etude list": "etude",
    "etude show objective=grpo": "etude",
    "train objective=gprpo": "train",
    "etude plan recipe=sft_then_rl": "etude",
}
IMPORTS = "import hydra, omegaconf"
MEASURE = (
    "import contextlib, io, time\n"
    "with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
    "    {program}\n"
    "print(time.process_time())"
)


def seconds(program: str) -> float:
    """Return the CPU seconds that a Python process takes from its start to the end of a program."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(program=program)],
        text=True,
        capture_output=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure all in turns, and print each command's time and its ratio to the imports."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    programs = {IMPORTS: IMPORTS}
    for command, module in COMMANDS.items():
        words = command.split()[1:]
        programs[command] = f"from etude.cli.{module} import main; main({words!r})"
    best = dict.fromkeys(programs, float("inf"))
    for _ in range(rounds):
        for name, program in programs.items():
            best[name] = min(best[name], seconds(program))
    for name, taken in best.items():
        print(f"{name:32} {taken:5.2f} s   {taken / best[IMPORTS]:4.1f} ×")


if __name__ == "__main__":
    main()
