"""House rules about numbers: integers only, and the unit is the last word of the name."""

import ast
from collections.abc import Iterator

from tests.house.sources import Source

UNITS = frozenset(
    {"ml", "cl", "l", "fen", "milli", "minor", "bp", "ms", "s", "minutes", "days", "mib", "bytes", "um", "mc"}
)
"""architecture.md 5 and 7: the last word of a name says what is counted."""

BARE = {
    "places in an order": "seq no epoch version watermark number index ref id mid serial",
    "how many, said by the noun": (
        "count left row limit most least window threshold maximum scale factor stride"
    ),
    "how many, said by what happened": (
        "acked booked bound counted fruitless linked lost outstanding "
        "refused twice unanswered unbound waiting more fewer declined mismatched"
    ),
    "how many of a hundred": "percent",
    "fields of a calendar": "year month day hour minute second weekday birthday",
    "fields of a wire": (
        "address baud bytesize code exception function node port qos stopbits transaction unit"
    ),
    "ends of a ring": "read write",
    "seeds of simulated chance": "seed",
}
"""Last words that need no unit, and why. A new word here needs a reason that fits one of these."""

WHOLE = {
    "wraps_at": "a raw count of the device, in whatever it counts",
    "unknown_member": "how many facts; a key of the demo's result",
    "bytes_per_sale": "bytes; a key of the demo's result",
}
"""Whole names that need no unit, and why."""

_BARE_WORDS = frozenset(word for words in BARE.values() for word in words.split())
_MEASURED_PLURALS = frozenset(
    {"points", "seconds", "hours", "litres", "liters", "cents", "weeks", "months", "years"}
)


def nameless_units(source: Source) -> Iterator[str]:
    """Integer fields of classes whose names do not end in a unit. A plural counts things and needs none."""
    for owner in ast.walk(source.tree):
        if isinstance(owner, ast.ClassDef):
            for field in owner.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    name = field.target.id
                    if _holds_integers(field.annotation) and not _says_what_it_counts(name):
                        yield source.at(field, f"{owner.name}.{name} is an integer without a unit")


def _holds_integers(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Name):
        return annotation.id == "int"
    if isinstance(annotation, ast.BinOp):
        return _holds_integers(annotation.left) or _holds_integers(annotation.right)
    if isinstance(annotation, ast.Subscript):
        outer = annotation.value.id if isinstance(annotation.value, ast.Name) else ""
        if outer in ("Annotated", "ClassVar", "Final"):
            return _holds_integers(_first(annotation.slice))
        if outer in ("tuple", "list", "set", "frozenset", "Sequence"):
            return _holds_integers(_first(annotation.slice))
    return False


def _first(node: ast.expr) -> ast.expr:
    return node.elts[0] if isinstance(node, ast.Tuple) and node.elts else node


def _says_what_it_counts(name: str) -> bool:
    last = name.strip("_").lower().split("_")[-1]
    is_plural = len(last) > 3 and last.endswith("s") and last not in _MEASURED_PLURALS
    return last in UNITS or last in _BARE_WORDS or name in WHOLE or is_plural


def floats(source: Source) -> Iterator[str]:
    """Every way a binary fraction gets in: the type (but not asking for it), a literal, true division."""
    refusals = set(_asked_types(source.tree))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield source.at(node, f"the literal {node.value}")
        elif isinstance(node, ast.Name) and node.id in ("float", "Decimal") and node not in refusals:
            yield source.at(node, f"the type {node.id}")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and _divides(node):
            yield source.at(node, "true division")


def _asked_types(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            yield from ast.walk(node.args[1])


def _divides(node: ast.BinOp | ast.AugAssign) -> bool:
    """A path is joined with text or a name; numbers are never divided by text."""
    right = node.right if isinstance(node, ast.BinOp) else node.value
    is_text = isinstance(right, ast.JoinedStr) or isinstance(getattr(right, "value", None), str)
    return isinstance(node.op, ast.Div) and not is_text
