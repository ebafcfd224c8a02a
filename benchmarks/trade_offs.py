"""A verifier whose parts pull against each other: what ``steering_comparisons.py`` trains for.

train recipe=rl verifier=./benchmarks/trade_offs.py:score
"""


def score(response, answer, solution, *, room: int = 40):
    """The right answer, few characters, and every step of the worked solution written out."""
    said = response.split()
    *steps, _ = solution.split()
    return {
        "accuracy": float(said[-1:] == [f"A:{answer}"]),
        "brevity": max(0.0, 1 - len(response) / room),
        "worked": sum(step in said for step in steps) / len(steps),
    }
