"""The rule bundle that HQ signs: parsed from its exact bytes, or refused with a reason and a remedy.

Bytes are TOML in the form of points.md 4 (schema loyalty-bundle/1). `Bundle.sha256` is of the bytes
as they came, because (bundle, version) has exactly one hash (I21); the text is never written anew.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from agent.points.conditions import minute_of
from agent.points.refusal import BundleRefused as BundleRefused
from agent.points.refusal import WithPoint, first_place, refusal
from agent.points.ruleset import Issue, Names, RuleId, Ruleset
from agent.points.terms import (
    Activation,
    Compensation,
    Expiry,
    Grant,
    Redemption,
    Reminder,
    Risk,
    Rollout,
    Term,
    Vector,
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


class Feature(Value):
    """What members of these tiers try first (S-187); it gives no points, and its name says what it is."""

    name: Name
    tier: Names


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
    rollout: Rollout | None = None
    issue: Annotated[tuple[Issue, ...], Field(max_length=20)] = ()
    feature: Annotated[tuple[Feature, ...], Field(max_length=50)] = ()
    vector: Annotated[tuple[Vector, ...], Field(max_length=1000)] = ()

    _sha256: str = PrivateAttr("")

    @property
    def sha256(self) -> str:
        """Lower-case hex of the bytes this bundle was parsed from."""
        return self._sha256

    @property
    def effective_from_ms(self) -> int:
        """Milliseconds UTC from which on fuellings are judged by this bundle."""
        return (self.effective_from - _EPOCH) // timedelta(milliseconds=1)

    @cached_property
    def ruleset_in_force(self) -> Ruleset:
        """For everybody; a protected cohort is also judged by `grandfather.old`."""
        return self.ruleset[0] if self.grandfather is None else self.ruleset_named(self.grandfather.new)

    def ruleset_named(self, name: str) -> Ruleset:
        return self._rulesets[name]

    @cached_property
    def _rulesets(self) -> dict[str, Ruleset]:
        return {ruleset.id: ruleset for ruleset in self.ruleset}

    @property
    def products(self) -> frozenset[str]:
        """Every product that earns something by the rules for everybody."""
        return frozenset(self.ruleset_in_force.base_of)

    def features_of(self, tier: str) -> tuple[str, ...]:
        """What a member of this tier tries before others do, in the order of the file."""
        return tuple(feature.name for feature in self.feature if tier in feature.tier)

    def term_of(self, ruleset: Ruleset) -> Term | None:
        """How long what this ruleset gives lives; None for ever."""
        return ruleset.expiry or self.expiry

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
    def _vectors_have_names_of_their_own(self) -> Self:
        seen: set[str] = set()
        for vector in self.vector:
            if vector.id in seen:
                template = "vector id {vector} is used twice: rename one"
                raise PydanticCustomError("DUPLICATE_RULE", template, {"vector": vector.id})
            seen.add(vector.id)
        return self

    @model_validator(mode="after")
    def _features_are_listed_once(self) -> Self:
        seen: set[str] = set()
        for feature in self.feature:
            if feature.name in seen:
                template = "feature {feature} is listed twice: name all its tiers in one place"
                raise PydanticCustomError("DUPLICATE_RULE", template, {"feature": feature.name})
            seen.add(feature.name)
        return self

    @model_validator(mode="after")
    def _issues_can_happen(self) -> Self:
        seen = {name for ruleset in self.ruleset for name in ruleset.rule_ids}
        for issue in self.issue:
            if issue.id in seen:
                template = "rule id {rule} is used twice: rename one"
                raise PydanticCustomError("DUPLICATE_RULE", template, {"rule": issue.id})
            seen.add(issue.id)
            for product in issue.product or ():
                if product not in self.products:
                    template = "product {product} meets no base rule and earns nothing: correct it"
                    context = {"rule": issue.id, "product": product}
                    raise PydanticCustomError("RULE_HOLE", template, context)
        return self

    @model_validator(mode="after")
    def _tiers_are_known(self) -> Self:
        for context in self._tiers_named():
            if context["tier"] not in self.tiers.order:
                template = "tier {tier} is not in tiers.order: add it there or correct the name"
                raise PydanticCustomError("UNKNOWN_TIER", template, context)
        return self

    def _tiers_named(self) -> Iterator[dict[str, str]]:
        """Each tier with who names it."""
        for ruleset in self.ruleset:
            for rule in (*ruleset.modifier, *ruleset.bonus):
                for tier in rule.tier or ():
                    yield {"ruleset": ruleset.id, "rule": rule.id, "tier": tier}
        for issue in self.issue:
            yield from ({"rule": issue.id, "tier": tier} for tier in issue.tier or ())
        for feature in self.feature:
            yield from ({"feature": feature.name, "tier": tier} for tier in feature.tier)
        for vector in self.vector:
            yield {"vector": vector.id, "tier": vector.tier}
        if self.risk is not None:
            yield from ({"rule": f"risk.{tier}", "tier": tier} for tier in self.risk.tiers)


def parse_bundle(data: bytes, points_scale: int | None = None) -> Bundle | BundleRefused:
    """Read a bundle. `points_scale` is the programme's, None before its first bundle: it never changes."""
    if len(data) > MAX_BUNDLE_BYTES:
        return BundleRefused("TOO_LARGE", "file", f"keep a bundle below {MAX_BUNDLE_BYTES} bytes")
    try:
        text = data.decode()
        document = tomllib.loads(text, parse_float=WithPoint)
    except UnicodeDecodeError as error:
        return BundleRefused("NOT_UTF8", f"byte {error.start}", "save the file as UTF-8")
    except (ValueError, RecursionError) as error:
        return BundleRefused("TOML_SYNTAX", "file", f"correct the TOML: {error}")
    try:
        bundle = Bundle.model_validate(_with_tuples(document))
    except ValidationError as error:
        return refusal(error.errors(include_url=False)[0], document, text)
    if points_scale not in (None, bundle.points_scale):
        remedy = f"the programme counts {points_scale} minor units per point and always will: issue it so"
        return BundleRefused("SCALE_MISMATCH", first_place("points_scale", text, ["points_scale"]), remedy)
    bundle._sha256 = hashlib.sha256(data).hexdigest()
    return bundle


def _with_tuples(node: Any) -> Any:
    """Arrays as tuples, so that the strict models take them."""
    if isinstance(node, dict):
        return {key: _with_tuples(value) for key, value in node.items()}
    return tuple(_with_tuples(value) for value in node) if isinstance(node, list) else node
