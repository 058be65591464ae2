"""The rule bundle that HQ signs: parsed from its exact bytes, or refused with a reason and a remedy.

Bytes are TOML in the form of points.md 4 (schema loyalty-bundle/1). `Bundle.sha256` is of the bytes
as they came, because (bundle, version) has exactly one hash (I21); the text is never written anew.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from agent.points.conditions import minute_of
from agent.points.ruleset import Names, RuleId, Ruleset
from agent.points.terms import (
    Activation,
    Compensation,
    Expiry,
    Grant,
    Redemption,
    Reminder,
    Risk,
)
from agent.points.units import RoundingMode
from agent.points.values import Minute, Name, Positive, Value

MAX_BUNDLE_BYTES: Final = 1 << 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Zone = Annotated[str, Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}$")]


class Rounding(Value):
    """Applied once, to the whole award, to a multiple of `to_minor`."""

    mode: RoundingMode
    to_minor: Annotated[int, Field(ge=1, le=1_000_000)]


class Eligible(Value):
    """What earns at all. A sale paid with one of `tender_excluded` earns nothing."""

    tender_excluded: Names


class Tiers(Value):
    """Tier names by rank, the lowest first."""

    order: Names


class Grandfather(Value):
    """Until this day (included) members of `cohort` get the better of two rulesets."""

    cohort: Name
    old: RuleId
    new: RuleId
    until: date
    mode: Literal["component"]
    tie: Literal["new", "old"]


class Bundle(Value):
    """A whole bundle. Made by `parse_bundle` only, which also knows the hash of the bytes."""

    schema_name: Annotated[Literal["loyalty-bundle/1"], Field(alias="schema")]
    program: Name
    bundle: Name
    version: Positive
    points_scale: Literal[1, 10, 100, 1000]
    timezone: _Zone
    business_day_starts_minute: Annotated[
        Minute, BeforeValidator(minute_of), Field(alias="business_day_starts")
    ]
    effective_from: AwareDatetime
    rounding: Rounding
    eligible: Eligible | None = None
    tiers: Tiers
    ruleset: Annotated[tuple[Ruleset, ...], Field(min_length=1)]
    grandfather: Grandfather | None = None
    expiry: Expiry | None = None
    redemption: Redemption | None = None
    risk: Risk | None = None
    compensation: Compensation | None = None
    reminder: Reminder | None = None
    activation: Activation | None = None
    grant: Grant | None = None

    _sha256: str = PrivateAttr("")

    @property
    def sha256(self) -> str:
        """Lower-case hex of the bytes this bundle was parsed from."""
        return self._sha256

    @property
    def effective_from_ms(self) -> int:
        """Milliseconds UTC from which on fuellings are judged by this bundle."""
        return (self.effective_from - _EPOCH) // timedelta(milliseconds=1)

    @property
    def ruleset_in_force(self) -> Ruleset:
        """For everybody; a protected cohort is also judged by `grandfather.old`."""
        return self.ruleset[0] if self.grandfather is None else self.ruleset_named(self.grandfather.new)

    def ruleset_named(self, name: str) -> Ruleset:
        return next(ruleset for ruleset in self.ruleset if ruleset.id == name)

    @model_validator(mode="after")
    def _every_ruleset_has_one_use(self) -> Self:
        names = [ruleset.id for ruleset in self.ruleset]
        used = [names[0]] if self.grandfather is None else [self.grandfather.new, self.grandfather.old]
        for name in used:
            if names.count(name) != 1 or used.count(name) != 1:
                template = "[grandfather] needs ruleset {name} exactly once, old and new not the same"
                raise PydanticCustomError("UNKNOWN_RULESET", template, {"name": name})
        for name in names:
            if name not in used:
                template = "ruleset {name} is used by nothing: name it in [grandfather] or remove it"
                raise PydanticCustomError("UNUSED_RULESET", template, {"name": name})
        return self

    @model_validator(mode="after")
    def _tiers_are_known(self) -> Self:
        for rule, tier in self._tiers_named():
            if tier not in self.tiers.order:
                template = "tier {tier} is not in tiers.order: add it there or correct the name"
                raise PydanticCustomError("UNKNOWN_TIER", template, {"rule": rule, "tier": tier})
        return self

    def _tiers_named(self) -> Iterator[tuple[str, str]]:
        for ruleset in self.ruleset:
            for modifier in ruleset.modifier:
                yield from ((modifier.id, tier) for tier in modifier.tier or ())
        if self.risk is not None:
            yield from ((f"risk.{tier}", tier) for tier in self.risk.tiers)


@dataclass(frozen=True, slots=True)
class BundleRefused:
    """Why a bundle is not taken: a stable code, the place in the file, what to change.

    Codes: TOO_LARGE, NOT_UTF8, TOML_SYNTAX, UNKNOWN_KEY, MISSING_KEY, FLOAT, BAD_VALUE,
    SCALE_MISMATCH, DUPLICATE_RULE, UNKNOWN_GROUP, UNKNOWN_TIER, UNKNOWN_RULESET, UNUSED_RULESET,
    RULE_HOLE.
    """

    reason: str
    where: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _WithPoint:
    """A number written with a point or an exponent. It stays text: no field takes it (I27)."""

    digits: str


def parse_bundle(data: bytes, points_scale: int | None = None) -> Bundle | BundleRefused:
    """Read a bundle. `points_scale` is the programme's, None before its first bundle: it never changes."""
    if len(data) > MAX_BUNDLE_BYTES:
        return BundleRefused("TOO_LARGE", "file", f"keep a bundle below {MAX_BUNDLE_BYTES} bytes")
    try:
        text = data.decode()
        document = tomllib.loads(text, parse_float=_WithPoint)
    except UnicodeDecodeError as error:
        return BundleRefused("NOT_UTF8", f"byte {error.start}", "save the file as UTF-8")
    except (ValueError, RecursionError) as error:
        return BundleRefused("TOML_SYNTAX", "file", f"correct the TOML: {error}")
    try:
        bundle = Bundle.model_validate(_with_tuples(document))
    except ValidationError as error:
        return _refusal(error.errors(include_url=False)[0], document, text)
    if points_scale not in (None, bundle.points_scale):
        remedy = f"the programme counts {points_scale} minor units per point and always will: issue it so"
        return BundleRefused("SCALE_MISMATCH", _place("points_scale", text, ["points_scale"]), remedy)
    bundle._sha256 = hashlib.sha256(data).hexdigest()
    return bundle


def _with_tuples(node: Any) -> Any:
    """Arrays as tuples, so that the strict models take them."""
    if isinstance(node, dict):
        return {key: _with_tuples(value) for key, value in node.items()}
    return tuple(_with_tuples(value) for value in node) if isinstance(node, list) else node


def _refusal(error: ErrorDetails, document: Mapping[str, Any], text: str) -> BundleRefused:
    """The first thing that is wrong, in the file's own words."""
    where = _where(error, document, text)
    match error["type"]:
        case own if own.isupper():
            return BundleRefused(own, where, error["msg"])
        case "extra_forbidden":
            return BundleRefused("UNKNOWN_KEY", where, "remove the key, or update the agent")
        case "missing":
            return BundleRefused("MISSING_KEY", where, "add the key")
    if isinstance(error["input"], _WithPoint):
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
    if rule := error.get("ctx", {}).get("rule"):
        parts.append(f"rule {rule!r}")
        names.append(rule)
    return _place(", ".join(parts) or "bundle", text, names[-1:] or [".".join(parts[:2]), *parts[:1]])


def _place(where: str, text: str, names: Sequence[str]) -> str:
    """Add the line where a rule's id, a table or a key is found: the first name that is."""
    for name in names:
        quoted = re.escape(name)
        beginning = rf'^[ \t]*(id[ \t]*=[ \t]*"{quoted}"|\[+{quoted}\]|{quoted}[ \t]*=)'
        if found := re.search(beginning, text, re.MULTILINE):
            return f"{where} (line {text.count(chr(10), 0, found.start()) + 1})"
    return where
