"""The program of the process in which a function's first rows are made."""

from __future__ import annotations

import os
import pickle
import sys
from itertools import islice
from typing import Any

from etude.by_path.rows import made
from etude.errors import DataError


def main() -> None:
    """Answer what is read from standard input; what the function prints goes to the error."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    given = pickle.load(sys.stdin.buffer)
    split, key, most = pickle.load(sys.stdin.buffer)
    sys.path[:] = given["path"]
    try:
        rows = made(given["call"], split, key, at_most=most + 1)
        answer: dict[str, Any] = {"rows": list(islice(rows, most)), "whole": len(rows) <= most}
    except DataError as error:
        answer = {"error": str(error)}
    with os.fdopen(answer_to, "wb") as stream:
        pickle.dump(answer, stream)
