"""An override read once more for its letters: ``name=1e3`` holds the text 1e3, not 1000.0.

Hydra's grammar makes numbers and truth values of what looks like them, whatever the key wants.
Where the key wants text, what counts is what was typed.
"""

from __future__ import annotations

from typing import Any

from antlr4 import CommonTokenStream, InputStream
from hydra.core.override_parser.overrides_visitor import HydraOverrideVisitor
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.grammar.gen.OverrideLexer import OverrideLexer
from hydra.grammar.gen.OverrideParser import OverrideParser

from etude.config.values import inner_kind


class _Letters(HydraOverrideVisitor):
    """Gives numbers and truth values as they are written, and each choice of a sweep whole."""

    def _createPrimitive(self, ctx: Any) -> Any:
        value = super()._createPrimitive(ctx)
        return ctx.getText().strip() if isinstance(value, (bool, int, float)) else value

    def visitSimpleChoiceSweep(self, ctx: Any) -> ChoiceSweep:
        return ChoiceSweep(
            simple_form=True, list=[each.getText().strip() for each in ctx.element()]
        )

    def visitFunction(self, ctx: Any) -> Any:
        # What a function makes of its arguments was not typed.
        return HydraOverrideVisitor(self.functions).visitFunction(ctx)


def letters(override: Override, functions: Any) -> Any:
    """Return the value of a parsed override, or of a sweep its choices, in the letters typed."""
    lexer = OverrideLexer(InputStream(override.input_line))
    tree = OverrideParser(CommonTokenStream(lexer)).override()
    read = _Letters(functions).visit(tree).value()
    return read.list if isinstance(read, ChoiceSweep) else read


def may_want_text(kind: Any) -> bool:
    """Tell whether a type takes text anywhere, so that letters may count."""
    return "str" in str(kind)


def as_text(value: Any, written: Any, kind: Any) -> Any:
    """Return a value with its numbers in the letters of ``written`` where a type wants text."""
    if isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        inner = inner_kind(kind, "list")
        pairs = zip(value, written, strict=True)
        return [as_text(item, text, inner) for item, text in pairs] if inner else value
    if isinstance(value, dict) and isinstance(written, dict):
        inner = inner_kind(kind, "dict")
        return {k: as_text(v, written.get(k), inner) for k, v in value.items()} if inner else value
    plain = kind["any_of"] if isinstance(kind, dict) and "any_of" in kind else [kind]
    wants = [each for each in plain if isinstance(each, str)]
    if isinstance(value, (bool, int, float)) and isinstance(written, str) and "str" in wants:
        numbers = {"bool"} if isinstance(value, bool) else {"int", "float"}
        return value if numbers & set(wants) else written
    return value
