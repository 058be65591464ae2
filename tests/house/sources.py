"""Finds the project's own files and reads them for the house rules."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "drivers", "sync", "config")
FOLDERS = (*PACKAGES, "systemd", "tests")


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root and its text. Planted samples are made the same way."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"


def python_sources(*folders: str) -> Iterator[Source]:
    """Every Python file below these folders or packages, or the file itself, sorted by path."""
    for folder in folders:
        top = ROOT / folder
        for file in [top] if top.is_file() else sorted(top.rglob("*.py")):
            yield Source(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))


def text_files(*folders: str) -> Iterator[tuple[str, str]]:
    """Every text file below these folders and in the root, as (path, text)."""
    suffixes = {".py", ".sql", ".toml", ".md", ".yaml", ".json", ".service", ".sysusers", ".lock", ""}
    beside = [file for file in ROOT.iterdir() if file.is_file()]
    inside = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    for file in sorted([*beside, *inside]):
        if file.suffix in suffixes and "__pycache__" not in file.parts:
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


def dotted_uses(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Every name or attribute with its full dotted name, imports and their aliases resolved.

    `from time import monotonic as m; m` gives "time.monotonic". Local variables that shadow an
    import are not followed: a rule may then be too strict, never too lax.
    """
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                known[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = _dotted(node, known)
            if name:
                yield node, name


def _dotted(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value, known)
        return f"{head}.{node.attr}" if head else ""
    return ""
