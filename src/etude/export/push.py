"""`etude push`: an exported folder to a repository of the hub, after it was shown and agreed to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.cli.frame import Parser, tell, warn
from etude.cli.texts import PUSH
from etude.errors import ConfigError, Fault, StorageError
from etude.execute.secrets import holds_secret
from etude.export import discreet
from etude.export.folder import SHAPE
from etude.export.licence import UNKNOWN
from etude.export.measured import CARD, RECORD
from etude.plan import layout
from etude.plan.digest import sha256_of
from etude.plan.quantities import counted, size

#: A name on the hub, with its owner or of one's own.
_REPO = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)
_LONGEST = 96

#: Texts that are searched for tokens, and the most bytes that one may have.
_TEXTS = (".md", ".yaml", ".json", ".txt", ".jinja", ".py")
_SEARCHED = 16 << 20


@dataclass(frozen=True)
class File:
    """A file that would be uploaded; ``mark`` says how it differs from what was exported."""

    name: str
    size: int
    mark: str = ""


def main(arguments: Sequence[str]) -> int:
    """Upload an export; asks before it does."""
    parser = Parser("etude push", add_help=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--yes", "-y", action="store_true")
    parser.add_argument("--message", default="")
    parser.add_argument("-h", "--help", action="store_true")
    given = parser.parse_args(list(arguments))
    if given.help:
        print(PUSH, end="")
        return 0
    folder, repo = _places(given.words)
    record = _record(folder)
    files = list(_files(folder, record))
    for line in _shown(folder, files, record):
        tell(line)
    if not given.yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        message = "is needed where there is no terminal to ask in; nothing was uploaded."
        raise ConfigError([Fault("--yes", message)])
    from etude.export.hub import Hub, Place

    hub = Hub()
    account = hub.account()
    name = repo if "/" in repo else f"{account.name}/{repo}"
    place = hub.place(name)
    public = given.public if place.private is None else not place.private
    if public and not given.public:
        raise ConfigError(
            [
                Fault(
                    name,
                    "is there already and is public: everybody would see this. To push to it: "
                    "--public; nothing was uploaded.",
                )
            ]
        )
    owner = name.partition("/")[0]
    if owner not in (account.name, *account.organisations):
        warn([f"{owner} is neither your account nor one of its organisations"])
    if given.public and place.private:
        warn([f"{name} is there already and is private; it stays so"])
    state = "is there; files of the same names are replaced" if place.exists else "is made"
    tell(f"to       {hub.endpoint.rstrip('/')}/{name}  ({state})")
    tell(f"seen by  {'everybody (public)' if public else 'whoever may read it (private)'}")
    tell(f"account  {account.name}")
    if not given.yes and not _agreed():
        tell("nothing was uploaded")
        return 1
    message = given.message or f"Upload {record.get('name')} ({record.get('fingerprint')})"
    at = Place(name, place.private)
    address = hub.upload(folder, [f.name for f in files], at, public=public, message=message)
    tell(f"uploaded {address}")
    return 0


def _agreed() -> bool:
    try:
        return input("Upload? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _places(words: Sequence[str]) -> tuple[Path, str]:
    faults = []
    if len(words) != 2:
        typed = " ".join(["etude push", *words])
        faults.append(Fault(typed, "takes a folder and a name: etude push FOLDER OWNER/NAME."))
        raise ConfigError(faults)
    folder, repo = Path(words[0]).expanduser().absolute(), words[1]
    if not folder.is_dir():
        faults.append(Fault(words[0], "is no folder; etude export STAGE makes one."))
    last = repo.rpartition("/")[2]
    odd = "--" in repo or ".." in repo or last.endswith((".git", ".ipynb", "-", "."))
    if not _REPO.fullmatch(repo) or len(repo) > _LONGEST or odd:
        message = (
            "is no name on the hub: OWNER/NAME of letters, digits, '-', '_' and '.', at most "
            f"{_LONGEST} of them, with no '--' or '..' in it."
        )
        faults.append(Fault(repo, message))
    if faults:
        raise ConfigError(faults)
    return folder, repo


def _record(folder: Path) -> dict[str, Any]:
    why: list[str] = []
    record = layout.read_json(folder / RECORD, SHAPE, why.append)
    if record is None:
        told = why[0] if why else f"{folder} holds no {RECORD}"
        raise StorageError(f"{told}, so it is no export; etude export STAGE makes one")
    return record


def _files(folder: Path, record: dict[str, Any]) -> Iterator[File]:
    """Yield what would be uploaded. Raises StorageError for what must not be.

    That is: a file of the model that is not as it was exported, one that is missing, and any that
    holds a secret. The card, the recipe and further files are a person's to change.
    """
    known = record["files"]
    there = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and ".git" not in path.relative_to(folder).parts
        and ".cache" not in path.relative_to(folder).parts
    }
    absent = sorted(set(known) - set(there))
    if absent:
        raise StorageError(
            f"{folder} lacks {', '.join(absent[:5])} of its export; etude export … --overwrite "
            "writes it again"
        )
    for name, path in there.items():
        if holds_secret(name):
            raise StorageError(f"{path} holds a secret by its name; take it out of the folder")
        if path.is_symlink():
            raise StorageError(f"{path} is a link; put the file itself there, or take it out")
        entry = known.get(name)
        published = isinstance(entry, dict) and entry.get("published") is True
        searched = not published and path.suffix in _TEXTS and path.stat().st_size <= _SEARCHED
        if searched and discreet.holds_token(path.read_text(encoding="utf-8", errors="replace")):
            raise StorageError(f"{path} holds what looks like a token; take it out of the file")
        mark = ""
        if entry is None:
            mark = "" if name == RECORD else "not of the export"
        elif not isinstance(entry, dict) or entry.get("sha256") != sha256_of(path):
            if name != CARD and Path(name).suffix != ".yaml":
                raise StorageError(
                    f"{path} is not as it was exported (its hash differs); etude export … "
                    "--overwrite writes it again"
                )
            mark = "changed since the export"
        yield File(name, path.stat().st_size, mark)


def _shown(folder: Path, files: Sequence[File], record: dict[str, Any]) -> Iterator[str]:
    total = sum(file.size for file in files)
    yield f"push     {folder}: {record.get('name')}, {counted(len(files), 'file')}, {size(total)}"
    for file in files:
        mark = f"  ({file.mark})" if file.mark else ""
        yield f" {size(file.size):>9}  {file.name}{mark}"
    if record.get("licence") == UNKNOWN:
        yield "licence  unknown; etude export … --license NAME --overwrite says it"
