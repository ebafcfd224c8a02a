"""What a test cluster is like, and the files that make SLURM so.

Nothing here starts or touches anything: options in, the text of configuration files out.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NAME = "etude"
ACCOUNT = "etude"
DATABASE_USER = "slurm"
DATABASE = "accounting"


@dataclass(frozen=True)
class Options:
    """What a cluster has and how its site is set up; times are in seconds.

    The defaults are the site a test would want most: accounting, a warning signal before a
    preemption, requeueing allowed, and every interval as short as SLURM takes it.
    """

    nodes: int = 4
    cpus: int = 8
    """CPUs of a node, whatever the machine has."""
    memory_mb: int = 32_000
    """Memory of a node; counted when jobs are placed, never enforced."""
    gpus: int = 4
    """GPUs of a node. They are links to /dev/null: visible to SLURM and in CUDA_VISIBLE_DEVICES."""
    grace: int = 20
    """Time between the warning of a preemption and the end of the job."""
    kill_wait: int = 5
    """Time between SIGTERM and SIGKILL when a job is cancelled or out of time."""
    slurmd_timeout: int = 15
    """Silence after which a node counts as down; noticed within twice that."""
    requeue_delay: int = 5
    """Time before a requeued job may start again; SLURM takes no less than 5."""
    accounting: bool = True
    """A database, so that sacct and limits work. Without it `sacct` exits with 1."""
    user_signal: bool = True
    """Jobs that asked for `--signal` get it when they are preempted."""
    kill_invalid_depend: bool = False
    """The site cancels jobs whose dependency cannot be fulfilled, without being asked to."""
    job_requeue: bool = True
    """Jobs may be requeued unless they say otherwise; off, no job is requeued unless it asks."""
    max_array_size: int = 1001
    """One more than the highest index of an array."""
    max_submit_jobs: int | None = None
    """How many jobs the user may have pending and running; needs accounting."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of slurm.conf, which replace those written here."""

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= 32:
            raise ValueError(f"nodes is {self.nodes}: a test cluster has 1 to 32")
        if self.requeue_delay < 5:
            raise ValueError(f"requeue_delay is {self.requeue_delay}: SLURM refuses less than 5")
        if self.max_submit_jobs is not None and not self.accounting:
            raise ValueError("max_submit_jobs needs accounting: drop accounting=False")

    @property
    def node_names(self) -> list[str]:
        """The names of the nodes, which resolve to this machine where /etc/hosts can be edited."""
        return [f"{NAME}-n{number}" for number in range(1, self.nodes + 1)]


@dataclass(frozen=True)
class Place:
    """Where a cluster lives: its folder, the address it listens on and its ports."""

    folder: Path
    address: str
    controller_port: int
    accounting_port: int
    database_port: int
    node_ports: tuple[int, ...]

    @property
    def munge_socket(self) -> Path:
        """The socket of the cluster's own munged."""
        return self.folder / "munge.socket"

    @property
    def database_socket(self) -> Path:
        """The socket of the cluster's own MariaDB."""
        return self.folder / "database.socket"


def user_name() -> str:
    """The user whom everything in a cluster belongs to: the one who runs the tests."""
    return pwd.getpwuid(os.getuid()).pw_name


def host_name() -> str:
    """The name of this machine, by which SLURM's daemons find out that they are meant."""
    return socket.gethostname().split(".")[0]


def slurm_conf(options: Options, place: Place) -> str:
    """The slurm.conf of the cluster."""
    folder, host = place.folder, host_name()
    settings = {
        "ClusterName": NAME,
        "SlurmctldHost": f"{host}({place.address})",
        "SlurmctldPort": str(place.controller_port),
        "SlurmUser": user_name(),
        "SlurmdUser": user_name(),
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        # A requeued job waits for its old credential to expire, two minutes unless told otherwise.
        "AuthInfo": f"socket={place.munge_socket},cred_expire={options.requeue_delay}",
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "StateSaveLocation": f"{folder}/controller",
        "SlurmdSpoolDir": f"{folder}/spool-%n",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/slurmd-%n.pid",
        "SlurmctldLogFile": f"{folder}/log/slurmctld",
        "SlurmdLogFile": f"{folder}/log/%n",
        # Neither systemd nor cgroups are asked for, so a container will do.
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "MpiDefault": "none",
        "SwitchType": "switch/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "DefMemPerCPU": "64",
        "GresTypes": "gpu",
        # Nodes may have more CPUs and memory than the machine.
        "SlurmdParameters": "config_overrides",
        "TreeWidth": "65533",
        "ReturnToService": "2",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "batch_sched_delay=0,sched_interval=1,sched_min_interval=0,"
        "bf_interval=1,bf_resolution=1,bf_continue,default_queue_depth=2000",
        "PriorityType": "priority/basic",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
        "KillWait": str(options.kill_wait),
        "SlurmdTimeout": str(options.slurmd_timeout),
        "SlurmctldTimeout": "10",
        "BatchStartTimeout": "10",
        "InactiveLimit": "0",
        "CompleteWait": "0",
        "MessageTimeout": "20",
        # Finished jobs stay in squeue for as long as a session of tests lasts.
        "MinJobAge": "3600",
        "MaxJobCount": "20000",
        "MaxArraySize": str(options.max_array_size),
        "JobRequeue": str(int(options.job_requeue)),
    }
    if options.user_signal:
        settings["SlurmctldParameters"] = "preempt_send_user_signal"
    if options.kill_invalid_depend:
        settings["DependencyParameters"] = "kill_invalid_depend"
    if options.accounting:
        settings |= {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": place.address,
            "AccountingStoragePort": str(place.accounting_port),
            # Under munge this "password" is the socket; AuthInfo is not looked at here.
            "AccountingStoragePass": str(place.munge_socket),
            "AccountingStorageEnforce": "associations,limits,qos",
            "AccountingStorageTRES": "gres/gpu",
        }
    else:
        settings["AccountingStorageType"] = "accounting_storage/none"
    settings |= options.settings
    gres = f" Gres=gpu:{options.gpus}" if options.gpus else ""
    nodes = [
        f"NodeName={name} NodeHostname={host} NodeAddr={place.address} Port={port} "
        f"CPUs={options.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={options.cpus} "
        f"ThreadsPerCore=1 RealMemory={options.memory_mb}{gres} State=UNKNOWN"
        for name, port in zip(options.node_names, place.node_ports, strict=True)
    ]
    partitions = [
        "PartitionName=main Nodes=ALL Default=YES DefaultTime=60 MaxTime=INFINITE State=UP "
        "PriorityTier=10 PreemptMode=OFF",
        "PartitionName=preemptible Nodes=ALL DefaultTime=60 MaxTime=INFINITE State=UP "
        f"PriorityTier=1 PreemptMode=REQUEUE GraceTime={options.grace}",
    ]
    lines = [f"{key}={value}" for key, value in settings.items()]
    return "\n".join([*lines, *nodes, *partitions, ""])


def gres_conf(options: Options, place: Place) -> str:
    """The gres.conf of the cluster: the files that stand for GPUs."""
    if not options.gpus:
        return ""
    devices = f"{place.folder}/gpu/fake[0-{options.gpus - 1}]"
    return "".join(f"NodeName={name} Name=gpu File={devices}\n" for name in options.node_names)


def cgroup_conf(version: tuple[int, int]) -> str:
    """The cgroup.conf for this version of SLURM, which loads a plug-in where none is used, too."""
    # The first version of the plug-in loads also where no cgroup is mounted.
    return f"CgroupPlugin={'disabled' if version >= (24, 5) else 'cgroup/v1'}\n"


def slurmdbd_conf(place: Place, password: str) -> str:
    """The slurmdbd.conf of the cluster, which holds the password of its database."""
    settings = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={place.munge_socket}",
        "DbdHost": host_name(),
        "DbdAddr": place.address,
        "DbdPort": str(place.accounting_port),
        "CommunicationParameters": "NoInAddrAny",
        "SlurmUser": user_name(),
        "LogFile": f"{place.folder}/log/slurmdbd",
        "PidFile": f"{place.folder}/slurmdbd.pid",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "127.0.0.1",
        "StoragePort": str(place.database_port),
        "StorageUser": DATABASE_USER,
        "StoragePass": password,
        "StorageLoc": DATABASE,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def database_sql(password: str) -> str:
    """What the database does first: make itself and the user that slurmdbd connects as."""
    user = f"'{DATABASE_USER}'@'127.0.0.1'"
    return (
        f"CREATE DATABASE {DATABASE};\n"
        f"CREATE USER {user} IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON {DATABASE}.* TO {user};\n"
    )
