"""Unit: is a good bundle read whole, and is every bad one refused with its code, its place and a remedy?"""

import hashlib
from datetime import date

import pytest

from agent.points.rules import MAX_BUNDLE_BYTES, BundleRefused, parse_bundle
from tests.unit.points.sales import DEMO_PATH, DEMO_TEXT, demo_bundle


def refusal_of(text: str) -> BundleRefused:
    result = parse_bundle(text.encode())
    assert isinstance(result, BundleRefused)
    assert result.remedy
    return result


def refused(old: str, new: str) -> BundleRefused:
    """The refusal of the demo bundle with the first `old` replaced."""
    assert old in DEMO_TEXT, old
    return refusal_of(DEMO_TEXT.replace(old, new, 1))


def line_of(text: str) -> int:
    return DEMO_TEXT[: DEMO_TEXT.index(text)].count("\n") + 1


def test_i21_the_hash_is_of_the_exact_bytes() -> None:
    data = DEMO_PATH.read_bytes()
    assert demo_bundle().sha256 == hashlib.sha256(data).hexdigest()
    commented = parse_bundle(data + b"# a comment changes the bytes, not the rules\n")
    assert not isinstance(commented, BundleRefused)
    assert (
        commented.sha256
        == hashlib.sha256(data + b"# a comment changes the bytes, not the rules\n").hexdigest()
    )
    assert commented.ruleset == demo_bundle().ruleset


def test_the_whole_bundle_is_read() -> None:
    bundle = demo_bundle()
    assert (bundle.program, bundle.bundle, bundle.version) == ("demo-cn", "2026-07", 42)
    assert bundle.effective_from_ms == 1_782_835_200_000
    assert bundle.business_day_starts_minute == 0
    assert bundle.ruleset_in_force.id == "2026"
    assert bundle.expiry is not None
    assert bundle.expiry.pause[0].from_date == date(2026, 8, 1)
    assert bundle.redemption is not None
    assert bundle.redemption.ratio[0].fen == 1000
    assert bundle.redemption.protection is not None
    assert bundle.redemption.protection.ratio_version == 2
    assert bundle.risk is not None
    assert bundle.risk.station.standin_pool_minor == 300_000
    assert list(bundle.risk.tiers) == ["basic", "gold", "platinum", "diamond"]
    assert bundle.risk.tiers["gold"].standin_count == 2
    assert bundle.compensation is not None
    assert bundle.compensation.rate_bp == 1000
    assert bundle.reminder is not None
    assert bundle.reminder.days == (30, 15, 3)
    assert bundle.activation is not None
    assert bundle.activation.after_s == 0
    assert bundle.grant is not None
    assert bundle.grant.home_bp == 4000


def test_the_rest_is_optional() -> None:
    award_part = DEMO_TEXT[: DEMO_TEXT.index("[expiry]")]
    bundle = parse_bundle(award_part.encode())
    assert not isinstance(bundle, BundleRefused)
    assert bundle.risk is None


def test_activation_is_seconds() -> None:
    activation = demo_bundle(('after = "PT0S"', 'after = "P1DT2H3M4S"')).activation
    assert activation is not None
    assert activation.after_s == 93_784


def test_another_scale_is_refused() -> None:
    data = DEMO_TEXT.encode()
    assert not isinstance(parse_bundle(data, points_scale=100), BundleRefused)
    result = parse_bundle(data, points_scale=1000)
    assert isinstance(result, BundleRefused)
    assert result.reason == "SCALE_MISMATCH"
    assert result.where == f"points_scale (line {line_of('points_scale = 100')})"


def test_the_place_names_the_rule_and_its_line() -> None:
    result = refused("bp = 12000\n  product", "bp = 1.2\n  product")
    assert result.reason == "FLOAT"
    line = line_of('id = "grade-95"')
    assert result.where == f"ruleset '2026', modifier 'grade-95', bp (line {line})"


def test_duplicate_rule_ids_are_refused() -> None:
    result = refused('id = "grade-98"', 'id = "fuel-litre"')
    assert result.reason == "DUPLICATE_RULE"
    assert "rule 'fuel-litre'" in result.where


def test_a_group_must_be_combined_and_a_combination_have_modifiers() -> None:
    assert refused('group = "tier"', 'group = "rank"').reason == "UNKNOWN_GROUP"
    result = refused('campaign = "best"', 'campaign = "best"\n  season = "best"')
    assert result.reason == "UNKNOWN_GROUP"
    assert "season" in result.remedy


def test_unknown_tiers_are_refused_in_modifiers_and_in_risk() -> None:
    result = refused('tier = ["gold"]', 'tier = ["golden"]')
    assert (result.reason, "'tier-gold'" in result.where) == ("UNKNOWN_TIER", True)
    assert refused("[risk.gold]", "[risk.golden]").reason == "UNKNOWN_TIER"


def test_a_hole_is_refused() -> None:
    result = refused('product = ["petrol-95"]', 'product = ["petrol-96"]')
    assert result.reason == "RULE_HOLE"
    assert "petrol-96" in result.remedy


def test_grandfather_names_two_rulesets_and_leaves_none_unused() -> None:
    assert refused('old = "2024"', 'old = "2023"').reason == "UNKNOWN_RULESET"
    assert refused('old = "2024"', 'old = "2026"').reason == "UNKNOWN_RULESET"
    assert refused('id = "2024"', 'id = "2026"').reason == "UNKNOWN_RULESET"
    start, end = DEMO_TEXT.index("[grandfather]"), DEMO_TEXT.index("[expiry]")
    assert refusal_of(DEMO_TEXT[:start] + DEMO_TEXT[end:]).reason == "UNUSED_RULESET"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[reminder]", "[remainder]", "UNKNOWN_KEY"),
        ("[reminder]", "[[vector]]\n[reminder]", "UNKNOWN_KEY"),
        ("per_member_day", "per_member_week", "MISSING_KEY"),
        ("standin_count = 2", "standin_counts = 2", "MISSING_KEY"),
        ("minor = 100000", "minor = 1e5", "FLOAT"),
        ("night_factor_bp = 5000", "night_factor_bp = 0.5", "FLOAT"),
        ("version = 42", "version = true", "BAD_VALUE"),
        ("version = 42", 'version = "42"', "BAD_VALUE"),
        ("version = 42", "version = 9007199254740992", "BAD_VALUE"),
        ('"loyalty-bundle/1"', '"loyalty-bundle/2"', "BAD_VALUE"),
        ("points_scale = 100", "points_scale = 50", "BAD_VALUE"),
        ("Asia/Shanghai", "+08:00", "BAD_VALUE"),
        ("bp = 12000", "bp = 9999", "BAD_VALUE"),
        ("quantum = 1000", "quantum = 0", "BAD_VALUE"),
        ("00:00-24:00", "22:00-22:00", "BAD_VALUE"),
        ("00:00-24:00", "24:00-02:00", "BAD_VALUE"),
        ("00:00-24:00", "22:00", "BAD_VALUE"),
        ("00:00-24:00", "22:60-23:00", "BAD_VALUE"),
        ('"00:00"', '"24:00"', "BAD_VALUE"),
        ("weekdays = [4]", "weekdays = [0]", "BAD_VALUE"),
        ("weekdays = [4]", "weekdays = []", "BAD_VALUE"),
        ("until = 2026-09-30", "until = 2026-06-30", "BAD_VALUE"),
        ("until = 2026-09-30", 'until = "2026-09-30"', "BAD_VALUE"),
        ("2026-07-01T00:00:00+08:00", "2026-07-01T00:00:00", "BAD_VALUE"),
        ("until = 2026-08-14", "until = 2026-07-14", "BAD_VALUE"),
        ('"PT0S"', '"48 h"', "BAD_VALUE"),
        ('"PT0S"', '"P"', "BAD_VALUE"),
        ("home_bp = 4000", "home_bp = 8000", "BAD_VALUE"),
        ("[reminder]", "[reminder", "TOML_SYNTAX"),
    ],
)
def test_refused(old: str, new: str, reason: str) -> None:
    assert refused(old, new).reason == reason


def test_a_syntax_error_says_where() -> None:
    assert "line" in refused("[reminder]", "[reminder").remedy


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "MISSING_KEY"),
        (b"\xff\xfe", "NOT_UTF8"),
        (b"a = " + b"[" * 100_000, "TOML_SYNTAX"),
        (b"a = " + b"9" * 10_000, "TOML_SYNTAX"),
        (b"#" * (MAX_BUNDLE_BYTES + 1), "TOO_LARGE"),
        (b"ruleset = 3\nrisk = [1]\n", "MISSING_KEY"),
    ],
)
def test_bytes_that_are_no_bundle(data: bytes, reason: str) -> None:
    result = parse_bundle(data)
    assert isinstance(result, BundleRefused)
    assert result.reason == reason
