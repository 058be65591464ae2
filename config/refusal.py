"""A refused configuration as a value: every problem is one line with file, key, reason and remedy."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails

EXAMPLE = "see `forecourt config example`"

_KNOWN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "missing": ("KEY_MISSING", f"add it, {EXAMPLE}"),
        "int_type": ("TYPE_WRONG", "write a whole number without quotes"),
        "int_from_float": ("TYPE_WRONG", "write a whole number without a decimal point"),
        "int_parsing": ("TYPE_WRONG", "write a whole number"),
        "string_type": ("TYPE_WRONG", 'write it in quotes: "…"'),
        "path_type": ("TYPE_WRONG", 'write a path in quotes: "/…"'),
        "bytes_type": ("TYPE_WRONG", 'write it in quotes: "…"'),
        "bool_type": ("TYPE_WRONG", "write true or false without quotes"),
        "bool_parsing": ("TYPE_WRONG", "write true or false"),
        "tuple_type": ("TYPE_WRONG", "write a list: […], or tables: [[…]]; as a variable, one JSON list"),
        "dict_type": ("TYPE_WRONG", f"write a table, {EXAMPLE}"),
        "model_type": ("TYPE_WRONG", f"write a table, {EXAMPLE}"),
        "literal_error": ("VALUE_WRONG", "choose one of these"),
        "too_short": ("VALUE_WRONG", f"add one, {EXAMPLE}"),
    }
)
"""Code and remedy by pydantic's error type; anything else is VALUE_WRONG with its own sentence."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `source` is a file, "environment" or "credentials"; `key` is the dotted path.

    Entries of lists are counted from 1, as they stand in the file: `line.1.device.2.key`.
    """

    code: str
    source: str
    key: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.source}: {self.key}" if self.key else self.source
        return f"{where}: {self.reason}; {self.remedy} [{self.code}]"


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """The settings cannot be used. Never empty; which exit code follows is the caller's choice."""

    problems: tuple[Problem, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """One line per problem, ready for a person."""
        return tuple(str(problem) for problem in self.problems)


def refusal(problems: Iterable[Problem]) -> ConfigRefused:
    """Problems in the order found, each told once."""
    return ConfigRefused(tuple(dict.fromkeys(problems)))


def dotted(location: Sequence[int | str]) -> str:
    """The dotted path of a key, list entries counted from 1."""
    parts = (str(part + 1) if isinstance(part, int) else part for part in location)
    return ".".join(part for part in parts if part != "[key]")  # how pydantic says "the key itself"


def problem_of(error: ErrorDetails, source: str, neighbours: Iterable[str]) -> Problem:
    """One line of one validation error. `neighbours` are the keys that its table knows."""
    key, context = dotted(error["loc"]), error.get("ctx", {})
    if error["type"] == "setting_refused":
        return Problem(context["code"], source, key, context["reason"], context["remedy"])
    if error["type"] == "extra_forbidden":
        return unknown_key(source, key, str(error["loc"][-1]), neighbours)
    code, remedy = _KNOWN.get(error["type"], ("VALUE_WRONG", EXAMPLE))
    return Problem(code, source, key, _reason(error, context), remedy)


def _reason(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "too_short":
        return f"needs at least {context['min_length']}"
    message = error["msg"][:1].lower() + error["msg"][1:]
    return message.replace("input should", "should").replace("valid tuple", "list")


def unknown_key(source: str, key: str, name: str, neighbours: Iterable[str]) -> Problem:
    """An unknown key, with the nearest known one if it looks like a slip of the pen."""
    close = difflib.get_close_matches(name.lower(), list(neighbours), n=1)
    remedy = f"did you mean `{close[0]}`?" if close else f"take it out, {EXAMPLE}"
    return Problem("KEY_UNKNOWN", source, key, "is not a setting", remedy)
