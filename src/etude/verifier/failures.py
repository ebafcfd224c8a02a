"""When a verifier itself fails: why, what helps, and how much of it ends a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from etude.errors import VerifierError
from etude.rows import Outcome, Verdict

_MEMORY = ("MemoryError", "SIGKILL")


def refuse_failures(verdicts: Sequence[Verdict], most: float, where: str) -> None:
    """Raise VerifierError where the verifier failed on more than a share ``most`` of the answers.

    One that failed on all is refused whatever the share is. ``where`` says whose answers they are
    (``step 3``, ``the evaluation main``).
    """
    failed = [verdict for verdict in verdicts if verdict.outcome.failed]
    if not failed or (len(failed) < len(verdicts) and len(failed) <= most * len(verdicts)):
        return
    if len(failed) == len(verdicts):
        count, beyond = f"all {len(failed)}", "nothing can be told from them"
    else:
        count = f"{len(failed)} of {len(verdicts)}"
        beyond = (
            f"that is {len(failed) / len(verdicts):.0%} and verifier.most_failed={most:g}, since "
            "the rest is no fair sample"
        )
    raise VerifierError(
        f"{where}: the verifier failed on {count} answers ({failures(failed)}); {beyond}. "
        f"{remedy(failed)}"
    )


def failures(verdicts: Sequence[Verdict]) -> str:
    """Return what the verifier failed of, the most frequent first: ``12 × timed_out: …``."""
    details = Counter(f"{verdict.outcome.value}: {verdict.detail}" for verdict in verdicts)
    return "; ".join(f"{count} × {detail}" for detail, count in details.most_common(3))


def remedy(verdicts: Sequence[Verdict]) -> str:
    """Return what helps a verifier that failed on these answers, by how it failed on most."""
    late = sum(verdict.outcome is Outcome.TIMED_OUT for verdict in verdicts)
    if 2 * late >= len(verdicts):
        return (
            "Type a larger verifier.timeout or more execution.verifier_workers, or make the "
            "verifier faster"
        )
    full = sum(any(word in (each.detail or "") for word in _MEMORY) for each in verdicts)
    if 2 * full >= len(verdicts):
        return "Type a larger verifier.memory (MiB)"
    refused = sum(verdict.outcome is Outcome.REFUSED for verdict in verdicts)
    if 2 * refused >= len(verdicts):
        return (
            "The rows have to be mended, or left out (sources.NAME.filter), or judged by a verifier"
            " that reads them: etude list verifier"
        )
    return "It is the verifier, or the column that it reads, that has to be mended"
