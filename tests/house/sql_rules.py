"""House rules about SQL (architecture.md 5): strict tables, named columns, constant statements."""

import ast
import re
from collections.abc import Iterator

from tests.house.sources import Source

_CREATE = re.compile(r"\bCREATE\s+(?:TEMP\w*\s+)?TABLE\b(.*?);", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*")
_STAR = re.compile(r"\bSELECT\s+(?:DISTINCT\s+|ALL\s+)?(?:\w+\.)?\*", re.IGNORECASE)
_BEGIN = re.compile(r"^\s*BEGIN\b(?!\s+IMMEDIATE\b)", re.IGNORECASE)
_LOOSE_TYPE = re.compile(
    r"\b(REAL|FLOAT|DOUBLE|NUMERIC|DECIMAL|BOOLEAN|DATETIME|VARCHAR|ANY)\b", re.IGNORECASE
)
_EXECUTE = ("execute", "executemany", "executescript")


def loose_schema(path: str, text: str) -> Iterator[str]:
    """Tables that are not STRICT, and column types that are not INTEGER, TEXT or BLOB."""
    for body in _CREATE.findall(_COMMENT.sub("", text) + ";"):
        table = body.split("(")[0].strip()
        options = body[body.rfind(")") :]
        if not re.search(r"\bSTRICT\b", options, re.IGNORECASE):
            yield f"{path}: table {table} is not STRICT"
        for loose in _LOOSE_TYPE.findall(body):
            yield f"{path}: table {table} has a column of type {loose}"


def loose_statements(source: Source) -> Iterator[str]:
    """`SELECT *`, statements put together at run time and, in the agent, BEGIN without IMMEDIATE."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _STAR.search(node.value):
                yield source.at(node, "SELECT *")
            if _BEGIN.search(node.value) and node.value.isupper() and source.path.startswith("agent/"):
                yield source.at(node, "BEGIN without IMMEDIATE")
            if "CREATE TABLE" in node.value.upper():
                yield from loose_schema(source.path, node.value)
        elif isinstance(node, ast.Call) and _executes(node) and _is_put_together(node.args[0]):
            yield source.at(node, "a statement put together at run time")


def _executes(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in _EXECUTE and bool(call.args)


def _is_put_together(statement: ast.expr) -> bool:
    if isinstance(statement, ast.BinOp | ast.JoinedStr):
        return True
    is_call = isinstance(statement, ast.Call) and isinstance(statement.func, ast.Attribute)
    return is_call and statement.func.attr in ("format", "join", "replace")
