"""Pages at the top lead somewhere on a file system and on a site that shows the repository.

Links within docs/ are checked where the site is built (`make docs`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from etude import __version__, schema

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ["README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md"]

_LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"`((?:\.ci|benchmarks|conf|docs|launchers|recipes|src|tests)/[\w./{},-]*)`")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made of their text."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"\s+", "-", heading) for heading in plain}


@pytest.mark.parametrize("name", PAGES)
def test_a_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    links = _LINK.findall(_FENCED.sub("", page.read_text("utf-8")))
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name}: {link}"
        assert not anchor or anchor in anchors(target), f"{name}: {link}"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "AGENTS.md"])
def test_what_a_page_names_is_there(name: str) -> None:
    for place in _PLACE.findall((ROOT / name).read_text("utf-8")):
        known, _, _ = place.partition("NAME")
        known, _, _ = known.partition("GROUP")
        known, _, _ = known.partition("FOLDER")
        known, _, _ = known.partition("SLOT")
        known = known.partition("{")[0]
        there = ROOT / known
        found = there.exists() or any(there.parent.glob(f"{there.name}*"))
        assert found, f"{name}: {place}"


def test_every_kind_of_component_has_a_line_in_contributing() -> None:
    """Kinds are the groups at the root, the learner, and what a rollout and an objective hold."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    _, _, table = text.partition("| kind | file |")
    first = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| "))
    named = set(re.findall(r"`([\w/]+)`", first)) | {"learner"} & set(first.split())
    known = schema.built_in()
    kinds = {group for group in known.groups if "/" not in group}
    kinds |= {group for group in known.groups if group.startswith("rollout/")}
    kinds |= {"learner", "optimizer/schedule", "objective/advantage"}
    # A gate of a rollout is no place for others: `improvement` has its rules as options.
    assert kinds - named == {"rollout/gate"}


def test_the_changelog_says_what_is_not_released_and_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d{2}-\d{2})?$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [__version__]), "the newest release is this version"


def nav(entry: object) -> list[str]:
    """Return the paths in an entry of the navigation."""
    if isinstance(entry, str):
        return [entry]
    if isinstance(entry, dict):
        return [path for value in entry.values() for path in nav(value)]
    assert isinstance(entry, list)
    return [path for each in entry for path in nav(each)]


def test_the_order_of_the_site_names_pages_that_are_there_once() -> None:
    order = yaml.safe_load((DOCS / ".nav.yml").read_text("utf-8"))
    paths = nav(order["nav"])
    assert [path for path in paths if not (DOCS / path).exists()] == []
    assert len(paths) == len(set(paths))
    # So a page that it does not name has a place all the same.
    assert order["append_unmatched"] is True
