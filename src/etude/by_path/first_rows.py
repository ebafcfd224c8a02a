"""The first rows of a source by path, made in a process of its own: its function may do anything.

Run as a program it reads a pickled call and split, and answers with pickled rows or the error.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etude.by_path.call import Call
from etude.errors import DataError

#: Rows that are looked at, and seconds that making them may take.
ROWS = 200
SECONDS = 60.0

_PROGRAM = "from etude.by_path.answer_rows import main; main()"


def first_rows(call: Call, split: str, key: str) -> tuple[list[Mapping[str, Any]], bool] | None:
    """Return a source's first rows and whether these are all; None where they take too long.

    Raises DataError where the function fails or gives what are no rows.
    """
    given = pickle.dumps({"path": [str(Path(p or ".").resolve()) for p in sys.path], "call": call})
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM],
            input=given + pickle.dumps((split, key, ROWS)),
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise DataError(f"sources.{key}: {call.title} ended its process: {''.join(said)}")
    answer = pickle.loads(done.stdout)
    if "error" in answer:
        raise DataError(answer["error"])
    return answer["rows"], answer["whole"]
