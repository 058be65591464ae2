"""House rules about what code may not contain: broad excepts, I/O in pure modules, loose log lines."""

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch

from tests.house.sources import Source

MAY_CATCH_ALL = ("agent/supervisor.py",)
PURE = (
    "agent/points/*.py",
    "drivers/*/codec.py",
    "drivers/*/session.py",
    "drivers/*/simulator.py",
    "sync/courier.py",
    "sync/envelope.py",
)
BANNED_MODULES = frozenset({"utils", "helpers", "common", "manager", "base", "data", "info", "process"})

_BROAD = ("Exception", "BaseException")
_DOES_IO = ("open", "print", "input", "exec", "eval", "breakpoint")
_LOG_CALLS = ("debug", "info", "warning", "error", "critical", "exception")
_UNDONE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")


def broad_excepts(source: Source) -> Iterator[str]:
    """`except:`, `except Exception` and `except BaseException`, also in a tuple, outside the supervisor.

    A handler that ends with a bare `raise` keeps nothing to itself: it only tidies up on the way out.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and source.path not in MAY_CATCH_ALL and not _passes_on(node):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds):
                yield source.at(node, "catches everything")


def _passes_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    returns = any(isinstance(node, ast.Return) for statement in handler.body for node in ast.walk(statement))
    return isinstance(last, ast.Raise) and last.exc is None and not returns


def io_in_pure_modules(source: Source) -> Iterator[str]:
    """Built-ins that reach outside, in modules that must be pure (imports are import-linter's part)."""
    if not any(fnmatch(source.path, pattern) for pattern in PURE):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _DOES_IO:
            yield source.at(node, f"calls {node.func.id}")


def foreign_imports_of_points(source: Source) -> Iterator[str]:
    """agent/points may import the standard library, pydantic and itself: HQ runs it too (decisions.md 4)."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names | {"pydantic", "pydantic_core"} and not is_points(name):
                yield source.at(node, f"imports {name}")


def is_points(module: str) -> bool:
    """True for agent.points and what is in it."""
    return module == "agent.points" or module.startswith("agent.points.")


def loose_log_lines(source: Source) -> Iterator[str]:
    """Log event names that are put together at run time: they cannot be counted or searched for."""
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _LOG_CALLS
        ):
            owner = node.func.value
            is_logger = isinstance(owner, ast.Name) and owner.id.lower().strip("_") in (
                "log",
                "logger",
                "logging",
            )
            if is_logger and not (node.args and _is_constant(node.args[0])):
                yield source.at(node, "a log event without a constant name")


def _is_constant(event: ast.expr) -> bool:
    if isinstance(event, ast.IfExp):
        return _is_constant(event.body) and _is_constant(event.orelse)
    return isinstance(event, ast.Constant)


def undone(path: str, text: str) -> Iterator[str]:
    """Marks of unfinished work: what is missing is said in the issue tracker, in words."""
    for number, line in enumerate(text.splitlines(), 1):
        if _UNDONE.search(line):
            yield f"{path}:{number}: {line.strip()}"
