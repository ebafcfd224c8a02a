"""The test cluster is a SLURM like any other, and nothing of it outlives those who use it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cluster_machine as machine
import pytest
from cluster import Cluster, ClusterError
from cluster_machine import Process
from cluster_options import Options
from cluster_presence import reason_to_skip

pytestmark = pytest.mark.slow
NewCluster = Callable[..., Cluster]


def test_a_job_runs_is_accounted_for_and_sees_the_gpus_it_asked_for(cluster: Cluster) -> None:
    job = cluster.submit(
        "echo $CUDA_VISIBLE_DEVICES on $SLURM_JOB_PARTITION; srun hostname", "--gpus-per-node=2"
    )
    cluster.wait_state(job, "COMPLETED")
    gpus, _, rest = cluster.output(job).partition(" on ")
    assert len(gpus.split(",")) == 2
    assert rest.split("\n")[0] == "main"
    cluster.wait(lambda: cluster.accounted(job) == {job: "COMPLETED"}, 10, "sacct")


def test_an_array_runs_behind_another_task_by_task(cluster: Cluster) -> None:
    first = cluster.submit("[ $SLURM_ARRAY_TASK_ID != 1 ]", "--array=0-2")
    options = [f"--dependency=aftercorr:{first}", "--kill-on-invalid-dep=yes"]
    second = cluster.submit("echo task $SLURM_ARRAY_TASK_ID", "--array=0-2", *options)
    cluster.wait_state(second, {"COMPLETED", "CANCELLED"})
    assert sorted(cluster.states(second)) == ["CANCELLED", "COMPLETED", "COMPLETED"]
    assert cluster.output(f"{second}_2") == "task 2\n"


def test_a_limit_of_an_account_refuses_a_job(cluster: Cluster) -> None:
    account = f"small{os.getpid()}"
    cluster.add_account(account, MaxSubmitJobs=1)
    cluster.submit("sleep 60", "--account", account)
    with pytest.raises(ClusterError, match="violates accounting"):
        cluster.submit("sleep 60", "--account", account)


def test_waiting_ends_when_a_job_has_ended_otherwise(cluster: Cluster) -> None:
    job = cluster.submit("exit 3")
    with pytest.raises(ClusterError, match="FAILED"):
        cluster.wait_state(job, "COMPLETED")
    assert cluster.field(job, "ExitCode") == "3:0"


def test_a_preempted_job_is_warned_requeues_itself_and_counts_its_restarts(
    new_cluster: NewCluster,
) -> None:
    cluster = new_cluster(nodes=1, cpus=1, gpus=0, grace=20, accounting=False)
    lower = cluster.submit(
        'echo "restarts: $SLURM_RESTART_COUNT"; [ -z "$SLURM_RESTART_COUNT" ] || exit 0\n'
        "trap 'echo warned; scontrol requeue $SLURM_JOB_ID' USR1\n"
        "while true; do sleep 0.1; done",
        "--partition=preemptible",
        "--signal=B:USR1@60",
    )
    cluster.wait(lambda: (cluster.folder / "jobs" / lower).exists(), 10, "the first start")
    upper = cluster.submit("true")
    cluster.wait_state(upper, "COMPLETED", 15)
    cluster.wait_state(lower, "COMPLETED", 20)
    assert cluster.field(lower, "Restarts") == "1"
    assert cluster.output(lower).split("\n")[:2] == ["restarts: ", "warned"]
    assert cluster.output(lower).endswith("restarts: 1\n")


def test_two_clusters_stand_side_by_side(new_cluster: NewCluster) -> None:
    one = new_cluster(nodes=1, accounting=False, max_array_size=3)
    other = new_cluster(nodes=2, accounting=False)
    for cluster in (one, other):
        assert cluster.submit("echo $SLURM_CONF") == "1"
    for cluster in (one, other):
        cluster.wait_state("1", "COMPLETED")
        assert cluster.output("1") == f"{cluster.folder}/slurm.conf\n"
    assert not set(one.pids().values()) & set(other.pids().values())
    assert other.submit("true", "--array=0-3") == "2"
    with pytest.raises(ClusterError, match="Invalid job array"):
        one.submit("true", "--array=0-3")
    if one.names_resolve:
        assert socket.gethostbyname("etude-n2")


def test_a_node_and_the_controller_die_and_come_back(new_cluster: NewCluster) -> None:
    cluster = new_cluster(nodes=2, accounting=False)
    job = cluster.submit("setsid sleep 987 & sleep 987", "--nodelist=etude-n1")
    cluster.wait_state(job, "RUNNING")
    cluster.wait(lambda: len(sleepers(cluster)) == 2, 5, "the job to start its sleepers")
    cluster.kill_node("etude-n1", jobs=True)
    assert not sleepers(cluster)
    cluster.declare_down("etude-n1")
    cluster.wait(lambda: cluster.field(job, "Restarts") == "1", 20, "the job to be requeued")
    cluster.restart_node("etude-n1")
    cluster.kill_controller(signal.SIGTERM)
    assert "slurmctld" not in cluster.pids()
    cluster.start_controller()
    assert cluster.states(job) in (["PENDING"], ["RUNNING"])


def sleepers(cluster: Cluster) -> list[int]:
    """The sleeping processes of the job above, wherever they hang in the tree."""
    keeper = json.loads((cluster.folder / "keeper.owner").read_text())["pid"]
    return [
        pid
        for pid in machine.descendants(keeper)
        if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00987\x00"
    ]


def start_elsewhere(ending: str = "") -> tuple[subprocess.Popen[str], Path, list[Process]]:
    """Start a cluster with a job in another process; its folder, and everything that runs in it."""
    program = (
        "import sys; from cluster import Cluster\n"
        "cluster = Cluster(nodes=1, accounting=False).start()\n"
        "job = cluster.submit('setsid sleep 987 & sleep 987 & touch started; wait')\n"
        "cluster.wait((cluster.folder / 'jobs/started').exists, 10, 'the job')\n"
        f"print(cluster.folder, flush=True); sys.stdin.read()\n{ending}"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdout is not None
    folder = Path(user.stdout.readline().strip())
    keeper = json.loads((folder / "keeper.owner").read_text())["pid"]
    return user, folder, [Process.of(pid) for pid in [keeper, *machine.descendants(keeper)]]


def assert_gone(folder: Path, processes: list[Process]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and (folder.exists() or any(one.alive for one in processes)):
        time.sleep(0.05)
    assert [one for one in processes if one.alive] == []
    assert not folder.exists()
    assert str(folder) not in machine.HOSTS.read_text()
    assert (
        not (machine.DEFAULT_CONFIG / "slurm.conf").is_symlink()
        or (machine.DEFAULT_CONFIG / "slurm.conf").readlink() != folder / "slurm.conf"
    )


def test_nothing_is_left_of_a_cluster_whose_user_is_killed(new_cluster: NewCluster) -> None:
    user, folder, processes = start_elsewhere()
    # munged, slurmctld and its helper, slurmd, the step, the script and two sleepers at least
    assert len(processes) >= 9
    user.kill()
    user.wait()
    assert_gone(folder, processes)


def test_nothing_is_left_of_a_cluster_whose_user_just_ends(new_cluster: NewCluster) -> None:
    user, folder, processes = start_elsewhere("cluster.stop()")
    user.communicate("")
    assert user.returncode == 0
    assert_gone(folder, processes)


def test_what_a_killed_keeper_leaves_is_cleared_away_by_the_next(new_cluster: NewCluster) -> None:
    user, folder, processes = start_elsewhere()
    keeper = processes[0]
    keeper.send(signal.SIGKILL)
    user.kill()
    user.wait()
    # A signal is sent, not yet obeyed: while the keeper is there, the cluster is not a stale one.
    Cluster.wait_until(lambda: not keeper.alive, 10, "the keeper to be gone")
    # Another worker of the suite may start a cluster in this moment, and be the next.
    machine.remove_stale_clusters()
    assert_gone(folder, processes)


def test_a_cluster_ends_with_the_last_who_shares_it(new_cluster: NewCluster) -> None:
    name = f"shared-{os.getpid()}"
    first = Cluster.shared(name, nodes=1, accounting=False)
    folder = first.folder
    second = Cluster.shared(name, nodes=1, accounting=False)
    assert second.folder == folder
    first.stop()
    assert second.submit("true") == "1"
    second.stop()
    assert not folder.exists()
    third = Cluster.shared(name, nodes=1, accounting=False)
    assert third.folder != folder
    third.stop()


def test_a_cluster_that_cannot_start_says_why_and_is_gone(new_cluster: NewCluster) -> None:
    before = started_here()
    with pytest.raises(ClusterError, match="slurmctld ended while it was starting"):
        new_cluster(nodes=1, accounting=False, settings={"SelectType": "select/nothing"})
    assert started_here() == before


def started_here() -> set[Path]:
    """The clusters that this process has started."""
    me = Process.of(os.getpid())
    return {folder for folder in machine.ROOT.glob("c-*") if me in machine.owners(folder)}


def test_the_clusters_entries_alone_are_taken_out_of_etc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts, etc = tmp_path / "hosts", tmp_path / "etc"
    hosts.write_text("127.0.0.1 localhost")
    monkeypatch.setattr(machine, "HOSTS", hosts)
    monkeypatch.setattr(machine, "DEFAULT_CONFIG", etc)
    mine, other = tmp_path / "c-1", tmp_path / "c-12"
    machine.add_names(mine, ["n1"], "127.0.0.1")
    machine.add_names(other, ["n1"], "127.0.0.1")
    assert machine.link_default_config(other)
    assert not machine.link_default_config(mine)
    machine.give_back(mine)
    assert hosts.read_text().splitlines() == [
        "127.0.0.1 localhost",
        f"127.0.0.1 n1 {machine.MARK} {other}",
    ]
    assert (etc / "slurm.conf").readlink() == other / "slurm.conf"
    machine.give_back(other)
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    assert not any(etc.iterdir())


@pytest.mark.parametrize(
    ("missing", "environment", "installable", "skips"),
    [
        ([], {}, False, False),
        ([], {"CI": "true"}, True, False),
        (["sbatch"], {}, True, True),
        (["sbatch"], {"CI": "true"}, False, True),
        ([], {"ETUDE_SLURM_TESTS": "off", "CI": "true"}, True, True),
    ],
)
def test_tests_skip_with_a_reason_where_slurm_cannot_be_had(
    missing: list[str], environment: dict[str, str], installable: bool, skips: bool
) -> None:
    assert bool(reason_to_skip(missing, environment, installable)) is skips


def test_a_missing_slurm_is_an_error_in_ci() -> None:
    with pytest.raises(RuntimeError, match=r"no sbatch\. In CI it must be"):
        reason_to_skip(["sbatch"], {"CI": "true"}, installable=True)


@pytest.mark.parametrize(
    "options",
    [{"nodes": 0}, {"requeue_delay": 4}, {"max_submit_jobs": 3, "accounting": False}],
)
def test_options_that_cannot_be_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Options(**options)  # type: ignore[arg-type]
