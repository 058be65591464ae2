"""Why a bundle is not taken, in the words of its own file: a code, the place, what to change."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class BundleRefused:
    """Why a bundle is not taken: a stable code, the place in the file, what to change.

    Codes of the shape (`rules.parse_bundle`): TOO_LARGE, NOT_UTF8, TOML_SYNTAX, UNKNOWN_KEY,
    MISSING_KEY, FLOAT, BAD_VALUE, SCALE_MISMATCH, DUPLICATE_RULE, UNKNOWN_GROUP, UNKNOWN_TIER,
    UNKNOWN_RULESET, UNUSED_RULESET, RULE_HOLE. Codes of what it would do (`soundness.objection`):
    VECTOR_MISMATCH, NOT_MONOTONE, RULE_HOLE, COHORT_DROPPED.
    """

    reason: str
    where: str
    remedy: str


@dataclass(frozen=True, slots=True)
class WithPoint:
    """A number written with a point or an exponent. It stays text: no field takes it (I27)."""

    digits: str


def refusal(error: ErrorDetails, document: Mapping[str, Any], text: str) -> BundleRefused:
    """One error of the shape, in the file's own words."""
    where = _where(error, document, text)
    match error["type"]:
        case own if own.isupper():
            return BundleRefused(own, where, error["msg"])
        case "extra_forbidden":
            return BundleRefused("UNKNOWN_KEY", where, "remove the key, or update the agent")
        case "missing":
            return BundleRefused("MISSING_KEY", where, "add the key")
    if isinstance(error["input"], WithPoint):
        return BundleRefused(
            "FLOAT", where, "write an integer in the unit of the key: minor units, ml, fen, bp"
        )
    return BundleRefused("BAD_VALUE", where, f"{error['msg']} (it is {error['input']!r:.80})")


def _where(error: ErrorDetails, document: Mapping[str, Any], text: str) -> str:
    """Such as "ruleset '2026', modifier 'grade-95', bp (line 43)"; the line is where the rule begins."""
    parts: list[str] = []
    names: list[str] = []
    node: Any = document
    for step in error["loc"]:
        if isinstance(step, int):
            node = node[step]
            name = node.get("id") if isinstance(node, Mapping) else None
            parts[-1] += f" {step + 1}" if name is None else f" {name!r}"
            names += [] if name is None else [str(name)]
        elif isinstance(node, Mapping) and step in node:
            node = node[step]
            parts.append(step)
        elif error["type"] == "missing":
            parts.append(step)
    context = error.get("ctx", {})
    for kind in ("ruleset", "rule", "vector"):
        if kind in context:
            parts.append(f"{kind} {context[kind]!r}")
            names.append(context[kind])
    where = ", ".join(parts) or "bundle"
    return place(where, text, names) if names else first_place(where, text, [".".join(parts[:2]), *parts[:1]])


def place(where: str, text: str, names: Sequence[str]) -> str:
    """Add the line at which the last of `names` is found, each an id looked for after the one before."""
    found_at = -1
    for name in names:
        position = _position(name, text, found_at + 1)
        found_at = position if position >= 0 else found_at
    return _with_line(where, text, found_at)


def first_place(where: str, text: str, names: Sequence[str]) -> str:
    """Add the line of the first of `names` that is found anywhere: an id, a table or a key."""
    positions = (_position(name, text, 0) for name in names)
    return _with_line(where, text, next((position for position in positions if position >= 0), -1))


def _position(name: str, text: str, start: int) -> int:
    quoted = re.escape(name)
    beginning = rf'^[ \t]*(id[ \t]*=[ \t]*"{quoted}"|\[+{quoted}\]|{quoted}[ \t]*=)'
    found = re.compile(beginning, re.MULTILINE).search(text, start)
    return found.start() if found else -1


def _with_line(where: str, text: str, position: int) -> str:
    return where if position < 0 else f"{where} (line {text.count(chr(10), 0, position) + 1})"
