"""The pages of components: what they show of a group, and that a table shows any text as it is."""

from __future__ import annotations

from pathlib import Path

from etude.config import component_pages
from etude.schema import built_in, parse

DOCS = Path(__file__).parents[2] / "docs" / "components"


def test_every_key_of_every_component_stands_on_its_page() -> None:
    for group, components in built_in().components.items():
        whole = DOCS / group / "index.md"
        page = (whole if whole.exists() else DOCS / f"{group}.md").read_text("utf-8")
        for name, info in components.items():
            _, _, section = page.partition(f"\n## {name}\n")
            section = section.partition("\n## ")[0]
            assert section, f"{group}={name}"
            for key in info.fields:
                assert f"\n| `{key}` |" in section, f"{group}={name}: {key}"


def page(doc: str, **field: object) -> str:
    described = {"type": "str", "optional": True, "default": "a|b", "doc": doc, "kind": "result"}
    described |= {"choices": None, "bounds": {}, **field}
    entry = {"class": "etude.box.thing:Thing", "doc": "Does it.", "source": "arXiv 2402.03300"}
    needs = {"requires": [{"what": "column:gold", "when": "a > 0", "why": "to compare"}]}
    whole = {**entry, **needs, "fields": {"mark": described}, "provides": [], "conflicts": []}
    known = parse({"groups": {"box": {"doc": "boxes"}}, "components": {"box": {"thing": whole}}})
    return component_pages.pages(known, Path("/nowhere"), "seed: 1\n")["box.md"]


def test_a_cell_shows_what_markdown_would_take_for_its_own() -> None:
    row = page("what follows <think> in *any* _case_ | [none]").splitlines()[-1]
    assert row.count(" | ") == 3
    assert "&lt;think&gt; in \\*any\\* \\_case\\_ &#124; \\[none\\]" in row
    assert "<code>a&#124;b</code>" in row


def test_a_component_says_what_it_needs_and_where_it_is_from() -> None:
    bounds = {"ge": 0, "lt": 1}
    text = page("a sentence", kind="execution", bounds=bounds, type="float", default=0.5)
    assert "[2402.03300](https://arxiv.org/abs/2402.03300)" in text
    assert "train box=thing" in text
    assert "gold" in text and "`a > 0`" in text and "to compare" in text
    assert "| `mark` | a number at least 0 and less than 1 | `0.5` | a sentence (exec" in text
