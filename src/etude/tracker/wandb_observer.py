"""A run told to W&B: one W&B run a stage, named by its fingerprint, resumed after a restart.

The stage's own metrics file is the truth; this is a copy for looking at. ``step`` is a logged field
that every metric is drawn over, so steps logged twice (after a requeue) do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.config.evaluations import MAIN
from etude.errors import Fenced, Interrupted
from etude.execute.environment import describe as environment
from etude.plan.describe import shown
from etude.tracker.interface import Following
from etude.tracker.login import settle
from etude.tracker.naming import name_of, tags_of
from etude.tracker.reach import why_not
from etude.tracker.samples import as_table, read_samples
from etude.tracker.wandb_settings import WandbSettings

if TYPE_CHECKING:
    import wandb as wandb_types

    from etude.plan.nodes import Graph


#: Seconds that W&B gets to begin a run on a server that has just answered.
INIT_SECONDS = 30.0


class WandbObserver(Following):
    """Logs stages as they run; ``mode`` is online or offline.

    A stage's run stays open for the evaluation of its model and is closed when the next stage
    begins. Where nothing is trained, an evaluation has a run of its own.
    """

    def __init__(
        self,
        tracker: WandbSettings,
        mode: str,
        root: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> None:
        self._tracker = tracker
        self._mode = mode
        self._root = root
        self._warn = warn
        self._group = tracker.group or str(root.get("name") or "run")
        self._outputs = Path(str(root.get("outputs") or "outputs"))
        self._run: wandb_types.Run | None = None
        self._stage: Any = None
        self._last_step = 0
        self._url: str | None = None
        self._opened = False
        self._graph: Graph | None = None
        self._models: list[tuple[Any, Mapping[str, Any]]] = []

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
        self._graph = run
        self._outputs = Path(run.outputs)
        if run.folder is not None and not self._tracker.group:
            self._group = Path(run.folder).name

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Open the stage's run, or take it up again."""
        self._close()
        self._stage, self._last_step = node, first_step
        about = {"learner": node.learner, "fingerprint": node.fingerprint, "attempt": attempt}
        self._run = self._open(node, node.learner, {**node.config, **about})
        for measured, evaluation in self._models:
            if measured.model == node.start:
                self._log_measured(0, measured, evaluation)

    def step_done(
        self, node: Any, step: int, metrics: Mapping[str, float], timing: Mapping[str, float]
    ) -> None:
        """Log the metrics of a step, numbered as in metrics.jsonl."""
        if self._run is not None:
            clocks = {f"timing/{key}": value for key, value in timing.items()}
            self._last_step = step + 1
            self._run.log({**metrics, **clocks, "step": step})

    def evaluated(self, node: Any, step: int | None, evaluation: Mapping[str, Any]) -> None:
        """Log an evaluation; that of a model is logged again by the stages that start from it."""
        if step is not None:
            self._log_evaluation(step, evaluation, evaluation.get("evaluation", MAIN))
            return
        self._models.append((node, evaluation))
        if self._stage is not None and node.stage == self._stage.fingerprint:
            self._log_measured(self._last_step, node, evaluation)

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Log the samples table and the seconds; the run closes when the next stage begins."""
        if self._run is None:
            return
        samples = read_samples(Path(folder), self._tracker.samples)
        if samples:
            import wandb

            columns, rows = as_table(samples)
            table = wandb.Table(columns=columns, data=rows)
            self._run.log({"samples": table, "step": max(0, self._last_step - 1)})
        self._run.summary["seconds"] = seconds
        self._run.summary["folder"] = folder

    def stage_failed(self, node: Any, *, step: int | None, error: BaseException) -> None:
        """Close the stage's run as failed, or as one that goes on later or elsewhere."""
        if self._run is not None and isinstance(error, (Interrupted, Fenced, KeyboardInterrupt)):
            self._run.mark_preempting()
        self._close(exit_code=1)

    def evaluation_failed(self, node: Any, *, error: str) -> None:
        """Log nothing: there is no number."""
        return

    def run_finished(self, run: Any) -> None:
        """Close what is open; evaluations that no stage took get runs of their own."""
        self._close()
        if run.stages:
            return
        for node, evaluation in self._models:
            self._run = self._open(node, "evaluation", node.config)
            self._log_evaluation(0, evaluation, MAIN)
            self._close()

    def stage_skipped(self, node: Any, *, seconds_saved: float) -> None:
        """Log nothing: the run that trained the stage has it."""
        return

    def checkpoint_written(self, node: Any, step: int, path: str) -> None:
        """Log nothing: checkpoints stay on disk."""
        return

    def warned(self, message: str) -> None:
        """Log nothing: warnings are for the person at the terminal."""
        return

    def _log_measured(self, step: int, measured: Any, evaluation: Mapping[str, Any]) -> None:
        """Log an evaluation under every name that the stage's runs have for it."""
        runs = self._graph.runs if self._graph is not None else ()
        own = self._stage.fingerprint
        names = {
            each.name
            for run in runs
            for seen in run.stages
            if seen.stage == own
            for each in seen.evaluations
            if measured.fingerprint in (each.before, each.after)
        }
        for name in sorted(names) or [measured.of]:
            self._log_evaluation(step, evaluation, name)

    def _log_evaluation(self, step: int, evaluation: Mapping[str, Any], of: str) -> None:
        if self._run is None:
            return
        logged: dict[str, Any] = {"step": step}
        head = "evaluation" if of == MAIN else f"evaluation/{of}"
        for name, metric in (evaluation.get("metrics") or {}).items():
            if isinstance(metric, Mapping):
                logged[f"{head}/{name}"] = metric.get("value")
                logged[f"{head}/{name}/low"] = metric.get("low")
                logged[f"{head}/{name}/high"] = metric.get("high")
            else:
                logged[f"{head}/{name}"] = metric
        for outcome, amount in (evaluation.get("outcomes") or {}).items():
            logged[f"{head}/outcome/{outcome}"] = amount
        self._run.log({key: value for key, value in logged.items() if value is not None})

    def _open(self, node: Any, kind: str, config: Mapping[str, Any]) -> wandb_types.Run:
        if self._mode == "online":
            self._go_offline(why_not())
        settle(self._mode)
        import wandb

        about, _ = environment()
        config = {**config, "code": {key: about[key] for key in ("etude", "git", "packages")}}
        if self._mode == "online":
            try:
                run = wandb.init(settings=self._settings(node, kind, about), config=config)
            except Exception as error:  # W&B's own and those of the service it starts
                wandb.teardown()  # else the id of this run is taken for one in use
                self._go_offline(str(error) or type(error).__name__)
        if self._mode != "online":
            settle(self._mode)
            run = wandb.init(settings=self._settings(node, kind, about), config=config)
        self._opened = True
        if self._mode == "online":  # offline, W&B warns when it is asked for an address
            self._url = run.url
        run.define_metric("step")
        run.define_metric("*", step_metric="step")
        return run

    def _go_offline(self, why: str) -> None:
        """Log to files from here on, where there is a reason; it is said once a run."""
        if why:
            self._mode = "offline"
            self._warn(
                f"W&B: {why}; this run is logged to files, for `wandb sync` to send later "
                "(tracker.mode=offline says so from the start)"
            )

    def _settings(self, node: Any, kind: str, about: Mapping[str, Any]) -> wandb_types.Settings:
        import wandb

        self.folder.mkdir(parents=True, exist_ok=True)
        tracker = self._tracker
        chosen: dict[str, Any] = {
            "mode": self._mode,
            "project": tracker.project,
            "entity": tracker.entity,
            "run_id": node.fingerprint,
            "run_name": name_of(node, self._graph),
            "run_group": self._group,
            "run_job_type": kind,
            "run_tags": tags_of(node, self._graph, tracker.tags),
            # Resuming is asked of the server; offline, W&B would only warn that it cannot.
            "resume": "allow" if self._mode == "online" else None,
            # A server that is gone must not hold up the next stage for ever (older wandb waits).
            "init_timeout": INIT_SECONDS,
            "finish_timeout": 300.0 if "finish_timeout" in wandb.Settings.model_fields else None,
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

    def _close(self, exit_code: int = 0) -> None:
        run, self._run, self._stage = self._run, None, None
        if run is not None:
            run.finish(exit_code=exit_code)
