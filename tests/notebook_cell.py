"""What a person types in a notebook: a run, its results, its export, the model loaded.

It runs in a process of its own (:mod:`warm_commands`) and leaves what came of it in told.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import etude
from etude.cli.etude import main as command


def main() -> int:
    """Train, read the results, export by the command, load both, and write down what there is."""
    run = etude.run(sys.argv[1:])
    found = etude.results("outputs")
    (member,) = run.members
    stage = found.outputs.stage(member.stages[-1].fingerprint)
    assert stage is not None and stage.model is not None
    code = command(["export", run.name.rpartition("-")[2], "--to", "exported"])

    from transformers import AutoModelForCausalLM, AutoTokenizer

    trained = AutoModelForCausalLM.from_pretrained(stage.model).state_dict()
    loaded = AutoModelForCausalLM.from_pretrained("exported").state_dict()
    told = {
        "state": run.state,
        "code": code,
        "stages": [each.name for each in member.stages],
        "finished": found.stages["finished"].tolist(),
        "steps": found.metrics.groupby("stage").size().to_dict(),
        "evaluations": len(found.evaluations),
        "answers": len(found.samples),
        "device": (stage.done or {}).get("device"),
        "same": all(loaded[name].equal(each) for name, each in trained.items()),
        "tensors": sorted(loaded) == sorted(trained),
        "token": AutoTokenizer.from_pretrained("exported")("1+1=")["input_ids"][:1],
    }
    Path("told.json").write_text(json.dumps(told))
    return 0
