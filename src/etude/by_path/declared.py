"""The needs that a class of a file declares, read from the text of ``@component(…)``.

A list may be written in place, be a name of the file, or be put together of such lists. What is not
understood is told: a need that gets lost would be a check that is not made.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from etude.by_path.literals import Unreadable, value_of
from etude.entries import NeedInfo


@dataclass(frozen=True)
class Declared:
    """Reads needs by the constants of a file (``known``) and what it imports (``imported``)."""

    known: Mapping[str, ast.expr]
    imported: Mapping[str, str]

    def needs(self, node: ast.expr) -> list[NeedInfo]:
        """Return the needs of a list; raises Unreadable for one that has to be run."""
        node = self._meant(node)
        if isinstance(node, (ast.List, ast.Tuple)):
            return [need for each in node.elts for need in self._entry(each)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [*self.needs(node.left), *self.needs(node.right)]
        raise Unreadable("it is no list that is written in the file")

    def _entry(self, node: ast.expr) -> list[NeedInfo]:
        if isinstance(node, ast.Starred):
            return self.needs(node.value)
        return [self._need(self._meant(node))]

    def _need(self, node: ast.expr) -> NeedInfo:
        if not isinstance(node, ast.Call) or not self.calls(node, "Need"):
            return NeedInfo(self.text(node))
        values = [self.text(each) for each in node.args]
        named = {k.arg or "**": self.text(k.value) for k in node.keywords}
        try:
            return NeedInfo(*values, **named)
        except TypeError as error:
            raise Unreadable("a Need has what, when and why") from error

    def _meant(self, node: ast.expr) -> ast.expr:
        """Return what a name of the file stands for."""
        seen: set[str] = set()
        while isinstance(node, ast.Name) and node.id in self.known and node.id not in seen:
            seen.add(node.id)
            node = self.known[node.id]
        return node

    def text(self, node: ast.expr) -> str:
        """Return a written text; raises Unreadable for anything else."""
        value = value_of(node, self.known)
        if not isinstance(value, str):
            raise Unreadable(f"{ast.unparse(node)} is no text")
        return value

    def calls(self, call: ast.Call, name: str) -> bool:
        """Tell whether a call is of a name of :mod:`etude.component`, under whatever name here."""
        own = called(call)
        return own == name or self.imported.get(own) == f"etude.component:{name}"


def called(call: ast.Call) -> str:
    """Return the name of what is called, without the module before it."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
