"""Folders as finished work leaves them, and `etude measure` typed."""

from __future__ import annotations

import json

from etude.cli.etude import main as etude
from etude.plan.digest import sha256_of
from etude.plan.layout import LAYOUT


def published(folder, **files):
    """Write a finished folder; each file is a list of lines or one object."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for name, content in files.items():
        lines = isinstance(content, list)
        path = folder / f"{name}.json{'l' if lines else ''}"
        rows = content if lines else [content]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sizes[path.name] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
    (folder / "DONE.json").write_text(json.dumps({"layout": LAYOUT, "files": sizes}))


def said(capsys, *words):
    code = etude(["measure", *words])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out


def told(capsys, *words):
    return json.loads(said(capsys, *words, "--json"))
