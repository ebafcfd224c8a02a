"""The report in a real browser: it shows itself, its script runs, and nothing of a sample does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from etude.recorded.outputs import Outputs
from etude.report.writing import write
from recorded_runs import HOSTILE, sweep

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed here")
def test_a_hostile_sample_runs_nothing_and_the_filters_work(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    sweep(outputs, HOSTILE, ("grpo",))
    known = Outputs(outputs)
    page = write(known, known.runs())
    profile = tmp_path / "profile"
    found = subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "<title>2026-01-01-sweep-77aa · etude</title>" in found.stdout
    # What the script wrote: it ran, so the policy of the page knows it.
    assert re.search(r"<output[^>]*>(\d+) of \1</output>", found.stdout)
    assert "Content Security Policy" not in found.stderr
    assert ":CONSOLE" not in found.stderr
