"""Reports long files and functions (`make check`): each wants a second look, none must be cut in two.

Run as `python -m tests.house.sizes`; never fails.
"""

import ast
import sys
from collections.abc import Iterator

from tests.house.sources import PACKAGES, Source, python_sources

FILE_LINES = 300
FUNCTION_LINES = 50


def long_pieces(source: Source) -> Iterator[tuple[int, str]]:
    """(lines, where) of the file and of each function in it that is longer than its limit."""
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield lines, source.path
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield length, source.at(node, node.name)


def report() -> str:
    pieces = sorted(
        (piece for source in python_sources(*PACKAGES, "tests") for piece in long_pieces(source)),
        reverse=True,
    )
    head = f"files over {FILE_LINES} lines and functions over {FUNCTION_LINES}: {len(pieces)}"
    return "\n".join([head, *(f"  {lines:5} {where}" for lines, where in pieces)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report())
