"""A sweep of tiny stages on SLURM against bare submitit jobs that do the same two steps.

    python benchmarks/launch.py --stages 100 --in-flight 2

Wants sbatch on PATH (a cluster, or the virtual one of the tests). Prints the wall time of both and
their ratio; the bare jobs import torch and transformers, make the same model and train two steps on
as many tokens, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def two_steps(seed: int, rows: int, length: int) -> float:
    """Train two steps as a script of one's own would; return the last loss."""
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=104,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=256,
    )
    model = transformers.LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss = torch.zeros(())
    for _ in range(2):
        optimizer.zero_grad()
        for _ in range(max(1, rows * length // 4096)):
            tokens = torch.randint(0, 104, (4096 // length, length))
            loss = model(input_ids=tokens, labels=tokens).loss
            loss.backward()
        optimizer.step()
    return float(loss.detach())


def bare(folder: Path, stages: int, in_flight: int, options: dict[str, object]) -> float:
    """Return the seconds from the submission of bare jobs to the end of the last."""
    import submitit

    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(
        time=30, array_parallelism=in_flight, stderr_to_stdout=True, **options
    )
    started = time.perf_counter()
    rows, length = [128] * stages, [32] * stages
    jobs = executor.map_array(two_steps, list(range(stages)), rows, length)
    wait_for([jobs[0].job_id.partition("_")[0]])
    seconds = time.perf_counter() - started
    assert all(job.paths.result_pickle.exists() for job in jobs), "a bare job failed"
    return seconds


def etude(folder: Path, stages: int, in_flight: int, options: dict[str, object]) -> float:
    """Return the seconds from `train -m … launcher=slurm` to the end of the last job."""
    command = [
        "train",
        "-m",
        "recipe=sft",
        f"seed=range({stages})",
        "training.steps=2",
        "execution.threads=1",
        "evaluation=null",
        "tracker=none",
        "launcher=slurm",
        "launcher.time=30",
        f"launcher.in_flight={in_flight}",
        *(f"launcher.{key}={value}" for key, value in options.items()),
        f"outputs={folder}",
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    jobs = (next((folder / "runs").iterdir()) / "jobs.jsonl").read_text().splitlines()
    wait_for(sorted({json.loads(line)["job"].partition("_")[0] for line in jobs}))
    seconds = time.perf_counter() - started
    done = len(list((folder / "stages").glob("*/DONE.json")))
    assert done == stages, f"{done} of {stages} stages are done"
    return seconds


def wait_for(jobs: list[str]) -> None:
    """Wait until none of these jobs is in the queue."""
    while True:
        asked = ["squeue", "-h", "-o", "%A"]
        queued = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
        arrays = ["squeue", "-h", "-o", "%F"]
        queued += subprocess.run(arrays, check=True, capture_output=True, text=True).stdout.split()
        if not set(jobs) & set(queued):
            return
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1, help="of both, one after the other")
    parser.add_argument("--partition")
    given = parser.parse_args()
    options: dict[str, object] = {"partition": given.partition} if given.partition else {}
    ratios = []
    for number in range(given.rounds):
        place = Path(tempfile.mkdtemp(prefix="etude-launch-"))
        try:
            plain = bare(place / "bare", given.stages, given.in_flight, options)
            ours = etude(place / "outputs", given.stages, given.in_flight, options)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        ratios.append(ours / plain)
        print(
            f"round {number + 1}: {given.stages} stages: etude {ours:.1f} s, bare submitit "
            f"{plain:.1f} s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
