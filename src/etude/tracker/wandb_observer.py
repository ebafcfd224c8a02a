"""A run told to W&B: one W&B run a stage, named by its fingerprint, resumed after a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.execute.environment import describe as environment
from etude.plan.describe import shown
from etude.tracker.comparison import identity_of
from etude.tracker.following import StageFollowing
from etude.tracker.interface import Record
from etude.tracker.login import settle
from etude.tracker.naming import name_of, sweep_name, tags_of
from etude.tracker.reach import why_not
from etude.tracker.wandb_files import FLUSH_SECONDS, empty_ones, mark_sent, offline_files
from etude.tracker.wandb_record import WandbRecord
from etude.tracker.wandb_settings import WandbSettings

if TYPE_CHECKING:
    import wandb as wandb_types

    from etude.plan.nodes import Graph

#: Seconds that W&B gets to begin a run on a server that has just answered.
INIT_SECONDS = 30.0

#: Seconds that it gets to send what is left when a run ends.
FINISH_SECONDS = 300.0

#: The setting, which older wandb has none of.
_FLUSHES = "x_transaction_log_flush_interval"


class WandbObserver(StageFollowing):
    """Logs stages as they run; ``mode`` is online or offline."""

    def __init__(
        self,
        tracker: WandbSettings,
        mode: str,
        root: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(tracker.samples)
        self._tracker = tracker
        self._mode = mode
        self._warn = warn
        self._group = tracker.group or str(root.get("name") or "run")
        self._outputs = Path(str(root.get("outputs") or "outputs"))
        self._url: str | None = None
        self._opened = False

    @property
    def folder(self) -> Path:
        """Return where W&B makes its folder ``wandb``."""
        own = self._tracker.directory
        return (Path(own).expanduser() if own else self._outputs).absolute()

    def where(self) -> str:
        """Return the project's address, or the command that sends offline files later."""
        if not self._opened:
            return ""
        if self._mode == "online":
            return f"W&B      {self._url or 'online'}"
        return f"W&B      offline; wandb sync {shown(self.folder / 'wandb')}/offline-run-*"

    def run_started(self, run: Any) -> None:
        """Take the group's name from the run's folder and its outputs folder from the graph."""
        super().run_started(run)
        self._outputs = Path(run.outputs)
        if run.folder is not None and not self._tracker.group:
            self._group = Path(run.folder).name

    def open(self, node: Any, kind: str, config: Mapping[str, Any], *, again: bool) -> Record:
        """Open the W&B run of a stage or an evaluation, or take it up again."""
        named = {
            "run_id": node.fingerprint,
            "run_name": name_of(node, self.graph),
            "run_job_type": kind,
            "run_tags": tags_of(node, self.graph, self._tracker.tags),
        }
        return self._begin(named, config, again=again)

    def open_sweep(self, graph: Graph) -> Record:
        """Open the W&B run of a sweep as a whole, the same one for the same sweep."""
        named = {
            "run_id": identity_of(graph),
            "run_name": sweep_name(graph),
            "run_job_type": "comparison",
            "run_tags": tuple(self._tracker.tags),
        }
        members = {str(n): list(run.overrides) for n, run in enumerate(graph.runs)}
        return self._begin(named, {"members": members}, again=False)

    def _begin(
        self, named: Mapping[str, Any], config: Mapping[str, Any], *, again: bool
    ) -> WandbRecord:
        if self._mode == "online":
            self._go_offline(why_not())
        settle(self._mode)
        import wandb

        about, _ = environment()
        config = {**config, "code": {key: about[key] for key in ("etude", "git", "packages")}}
        if self._mode == "online":
            # What the server has of a stage that begins anew is replaced, and else gone on with.
            resume = {"resume": "allow"} if again else {}
            settings = self._settings({**named, **resume}, about)
            try:
                run = wandb.init(settings=settings, config=config)
            except Exception as error:  # W&B's own and those of the service it starts
                wandb.teardown()  # else the id of this run is taken for one in use
                self._go_offline(str(error) or type(error).__name__)
        if self._mode != "online":
            settle(self._mode)
            run = wandb.init(settings=self._settings(named, about), config=config)
        self._opened = True
        if self._mode == "online":  # offline, W&B warns when it is asked for an address
            self._url = run.url
        return WandbRecord(run, self._warn, self._older(run))

    def _older(self, run: wandb_types.Run) -> list[Path]:
        """Return the offline files of earlier attempts at a run: this one has what they have."""
        own = Path(str(run.settings.sync_dir)).name
        found = [path for path in offline_files(self.folder, run.id) if path.parent.name != own]
        mark_sent(empty_ones(self.folder, found))
        return found

    def _go_offline(self, why: str) -> None:
        """Log to files from here on, where there is a reason; it is said once a run."""
        if why:
            self._mode = "offline"
            self._warn(
                f"W&B: {why}; this run is logged to files, for `wandb sync` to send later "
                "(tracker.mode=offline says so from the start)"
            )

    def _settings(self, named: Mapping[str, Any], about: Mapping[str, Any]) -> wandb_types.Settings:
        import wandb

        self.folder.mkdir(parents=True, exist_ok=True)
        known = wandb.Settings.model_fields
        chosen: dict[str, Any] = {
            **named,
            "mode": self._mode,
            "project": self._tracker.project,
            "entity": self._tracker.entity,
            "run_group": self._group,
            # A server that is gone must not hold up the next stage for ever (older wandb waits).
            "init_timeout": INIT_SECONDS,
            "finish_timeout": FINISH_SECONDS if "finish_timeout" in known else None,
            # Later, a process that is killed takes more of what it logged with it.
            "x_transaction_log_flush_interval": FLUSH_SECONDS if _FLUSHES in known else None,
            "git_commit": about["etude"]["commit"] or about["git"]["commit"],
        }
        return wandb.Settings(
            root_dir=str(self.folder),
            use_dot_wandb=False,
            console="off",
            silent=True,
            save_code=False,
            disable_job_creation=True,
            # Versions are in the config; a list of all packages a stage would be repeated for each.
            x_save_requirements=False,
            **{key: value for key, value in chosen.items() if value is not None},
        )
