"""Stages that were trained by other code than is here now: found, told, and used where accepted.

A stage's *plain* print is its fingerprint without code. Where a stage is not there but one of its
plain print is, only code differs: training again and using it as it is are both choices of a
person. An accepted stage keeps its folder and its fingerprint; ``<outputs>/.accepted.json`` says
under which fingerprints of newer code it is used from then on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from etude.config.quoting import pasted
from etude.errors import Fault
from etude.plan import layout
from etude.plan.layout import Folders
from etude.plan.nodes import Changed, StageNode

ACCEPTED = ".accepted.json"

#: The hashes of each distinct code, by module, that stages on disk were trained by.
PRINTS = ".prints"


class OtherCode:
    """What other code trained under one ``outputs``, and what of it is used as it is."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._folders = Folders(outputs)
        self.changed: dict[str, Changed] = {}
        #: Name of a stage that is not there → its folders of another version of the layout.
        self.older: dict[str, list[Path]] = {}
        #: Fingerprint → the one it is used under; all of them, those of earlier commands too.
        self.accepted = accepted_in(outputs)

    def settle(self, node: StageNode, code: Mapping[str, str | None], *, accept: bool) -> StageNode:
        """Return a node as it is used: itself, or under the fingerprint that was accepted for it.

        A stage that only other code trained is recorded in ``changed`` unless ``accept`` is true.
        """
        if node.fresh:
            self.accepted.pop(node.fingerprint, None)
            return node
        old = self.accepted.get(node.fingerprint)
        if old is not None and not _has_work(self._folders.stage(node.name, old)):
            del self.accepted[node.fingerprint]  # what was accepted is no longer there
            old = None
        if old is None:
            there = None if self._begun(node) else self._alike(node)
            if there is None:
                self._look_for_older(node)
                return node
            if not accept:
                self.changed[node.fingerprint] = self._changed(node, there, code)
                return node
            old = str((layout.read_json(there / layout.STAGE) or {}).get("fingerprint"))
            self.accepted[node.fingerprint] = old
        about = layout.read_json(self._folders.stage(node.name, old) / layout.STAGE) or {}
        lineage = str(about.get("lineage", node.lineage))
        return dataclasses.replace(node, fingerprint=old, lineage=lineage)

    def _changed(self, node: StageNode, there: Path, code: Mapping[str, str | None]) -> Changed:
        follows = next((self.changed[p].name for p in node.parents if p in self.changed), "")
        finished = layout.finished(there) is not None
        return Changed(node.name, there, self._differing(there, code), follows, finished)

    def _look_for_older(self, node: StageNode) -> None:
        if not self._begun(node) and (older := self._folders.of_another_version.get(node.name)):
            self.older[node.name] = older

    def _begun(self, node: StageNode) -> bool:
        folder = self._folders.stage(node.name, node.fingerprint)
        return folder.is_dir() and _has_work(folder)

    def _alike(self, node: StageNode) -> Path | None:
        """Return the newest folder of the same plain print that holds work, a finished one first.

        None without one.
        """
        found = [folder for folder in self._folders.plains.get(node.plain, ()) if _has_work(folder)]
        return max(found, key=_finished_and_new, default=None)

    def _differing(self, folder: Path, code: Mapping[str, str | None]) -> tuple[str, ...]:
        about = layout.read_json(folder / layout.STAGE) or {}
        old = layout.read_json(self._outputs / PRINTS / f"{about.get('code')}.json")
        if old is None:
            return ()
        return tuple(sorted(name for name in {*old, *code} if old.get(name) != code.get(name)))


def accepted_in(outputs: Path) -> dict[str, str]:
    """Return fingerprint → the one it is used under, as earlier commands accepted it."""
    content = layout.read_json(outputs / ACCEPTED) or {}
    return {new: str(old) for new, old in content.items()}


def faults(changed: Mapping[str, Changed]) -> list[Fault]:
    """Return a fault for each stage that is there as other code trained it; the last says what
    to type."""
    found = [Fault(each.folder.name, _told(each)) for each in changed.values()]
    if found:
        names = ",".join(dict.fromkeys(each.name for each in changed.values()))
        ways = (
            f"\n  execution.accept_code=true  {_accepting(changed.values())}"
            f"\n  {pasted(f'fresh=[{names}]')}  trains again"
        )
        found[-1] = Fault(found[-1].typed, found[-1].message + ways)
    return found


def _accepting(changed: Iterable[Changed]) -> str:
    """Return what accepting does: a stage cut short has no result yet that could be used."""
    finished = {each.finished for each in changed}
    goes_on = "goes on with the code of now where a stage is cut short"
    if finished == {True, False}:
        return f"uses what is finished as it is, {goes_on}"
    return "uses what is there as it is" if True in finished else goes_on


def _told(changed: Changed) -> str:
    if changed.modules:
        ending = "s" if len(changed.modules) == 1 else ""
        why = f"{_listed(changed.modules)} differ{ending}"
    else:
        why = f"it follows {changed.follows}" if changed.follows else "its code differs"
    if not changed.finished:
        return f"is cut short, and other code began it: {why}."
    return f"is there as other code trained it: {why}."


def _file(module: str) -> str:
    """Return the file of a module; one of a component by path is called by its file already."""
    by_path = module.endswith((".py", ")"))
    return module if by_path else module.replace(".", "/") + ".py"


def _listed(modules: tuple[str, ...], most: int = 4) -> str:
    files = [_file(name) for name in modules]
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(files[:most]) + more


def _finished_and_new(folder: Path) -> tuple[bool, float]:
    return layout.finished(folder) is not None, (folder / layout.STAGE).stat().st_mtime


def _has_work(folder: Path) -> bool:
    return layout.finished(folder) is not None or bool(layout.checkpoints(folder))
