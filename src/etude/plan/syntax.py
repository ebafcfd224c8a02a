"""What a source file says to Python, in a form in which comments, layout and docs do not count.

The form depends on nothing but the meaning of the source: it is the same under every Python that
etude runs on, whatever fields a version's syntax trees have or how it prints them.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable

#: Keywords of declarations that only people read.
_DOCS = frozenset({"doc", "why", "source", "says"})

#: What declares wherever it stands; and what does so in a class body, or above a class.
_NEEDS = frozenset({"Need", "Rule"})
_DECLARES = frozenset({"component", "entries", "learner", "option", "slot", "slots"})

#: Of these the second argument is the doc.
_OPTIONS = frozenset({"option", "slot"})

#: Class variables that say a component in words, and which values it refuses: neither computes.
_SAID = frozenset({"words", "rules"})

#: Fields that follow from others, or that nothing reads.
_UNSAID = frozenset({"ctx", "kind", "type_comment"})


def syntax_hash(tree: ast.Module) -> str:
    """Return the SHA-256 of what a source file says, in hex.

    Comments, layout, docstrings, the docs of options and the text of errors do not count; every
    other literal does.
    """
    return hashlib.sha256(form(tree).encode()).hexdigest()


def form(tree: ast.AST) -> str:
    """Return a syntax tree as text."""
    text: list[str] = []
    _write(tree, text.append, declares=False)
    return "".join(text)


def _write(value: object, say: Callable[[str], None], *, declares: bool) -> None:
    """Write a node, a list or a constant; ``declares`` says that it stands in a declaration."""
    if isinstance(value, ast.AST):
        say(f"({type(value).__name__}")
        for field in value._fields:
            if field in _UNSAID:
                continue
            below = _below(value, field, declares=declares)
            if below or isinstance(value, ast.Constant) or below == 0:
                say(f" {field}=")
                if isinstance(value, ast.ClassDef) and field in ("body", "decorator_list"):
                    _write_class(below, say)
                else:
                    _write(below, say, declares=declares)
        say(")")
    elif isinstance(value, list):
        say("[")
        for each in value:
            _write(each, say, declares=declares)
            say(",")
        say("]")
    else:
        # A constant with its type: 1, 1.0, True and "1" are four things.
        say(f"{type(value).__name__}:{value!r}")


def _write_class(parts: object, say: Callable[[str], None]) -> None:
    """Write the statements of a class, or what stands above it: there fields are declared."""
    assert isinstance(parts, list)  # of these two fields every Python makes lists
    say("[")
    for each in parts:
        _write(each, say, declares=isinstance(each, (ast.AnnAssign, ast.expr)))
        say(",")
    say("]")


def _below(node: ast.AST, field: str, *, declares: bool) -> object:
    """Return what a field of a node holds, as far as it counts; None or [] for nothing."""
    value = getattr(node, field, None)
    if field == "body" and isinstance(value, list):
        of_class = isinstance(node, ast.ClassDef)
        return [each for each in value if not _only_says(each, of_class=of_class)]
    if isinstance(node, ast.Raise) and isinstance(value, ast.Call) and _is_error(value.func):
        return value.func  # what an error says changes nothing that is computed
    if isinstance(node, ast.JoinedStr):
        # Some versions end a format specification with an empty text.
        return [e for e in node.values if not (isinstance(e, ast.Constant) and e.value == "")]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        called = node.func.id
        if called not in _NEEDS and not (declares and called in _DECLARES):
            return value
        if field == "keywords":
            return [each for each in node.keywords if each.arg not in _DOCS]
        if field == "args" and called in _OPTIONS:
            return node.args[:1]
    return value


def _is_error(raised: ast.expr) -> bool:
    """Tell by its name whether what is raised is an error, and not a value on its way."""
    name = raised.attr if isinstance(raised, ast.Attribute) else getattr(raised, "id", "")
    return name.endswith("Error")


def _only_says(statement: ast.AST, *, of_class: bool) -> bool:
    """Tell whether a statement computes nothing: a docstring, a text on its own, words, rules."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    if not of_class or not isinstance(statement, ast.AnnAssign):
        return False
    target = statement.target
    said = isinstance(target, ast.Name) and target.id in _SAID
    return said and "ClassVar" in ast.dump(statement.annotation)
