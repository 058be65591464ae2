"""Unit: is a good bundle read whole, and is every bad one refused with its code, its place and a remedy?"""

import hashlib
import re
from datetime import date

import pytest

from agent.points.rules import MAX_BUNDLE_BYTES, Bundle, BundleRefused, parse_bundle
from tests.unit.points.sales import DEMO_PATH, DEMO_TEXT, HEAD, demo_bundle


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
        ("[reminder]", "[[vector]]\n[reminder]", "MISSING_KEY"),
        ("refund_grace_days", "grace_days", "MISSING_KEY"),
        ('scope = "transaction"', 'cap_overshoot = "honour"\n  scope = "transaction"', "BAD_VALUE"),
        ('scope = "member_day"', 'cap_overshoot = "forgive"\n  scope = "member_day"', "BAD_VALUE"),
        ('birthday = "07-09"', 'birthday = "7-9"', "BAD_VALUE"),
        ('birthday = "07-09"', 'birthday = "02-30"', "BAD_VALUE"),
        ("at = 2026-07-08T10:00:00", "at = 2026-07-08T10:00:00+08:00", "BAD_VALUE"),
        ("at = 2026-07-08T10:00:00", "at = 1999-07-08T10:00:00", "BAD_VALUE"),
        ("at = 2026-07-08T10:00:00", "at = 2026-07-08", "BAD_VALUE"),
        ("minor = 14400", "minor = 144.0", "FLOAT"),
        ("used = { day_minor = 40000 }", "used = { day_points = 400 }", "UNKNOWN_KEY"),
        ("{ ml = 3340, minor = 668 }", "{ ml = 3350, minor = 670 }", "BAD_VALUE"),
        ('id = "G2 floored to whole points"', 'id = "G1 plain fill"', "DUPLICATE_RULE"),
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


BONUS = """
  [[ruleset.bonus]]
  id = "gift"
  minor = 5000
  period = "member_month"
  nth = [1]

  [ruleset.combine]"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("minor = 5000", "minor = 0", "BAD_VALUE"),
        ("minor = 5000", "minor = 50.0", "FLOAT"),
        ("nth = [1]", "nth = []", "BAD_VALUE"),
        ("nth = [1]", "nth = [0]", "BAD_VALUE"),
        ("  nth = [1]\n", "", "MISSING_KEY"),
        ('  period = "member_month"\n', "", "MISSING_KEY"),
        ("nth = [1]", "nth = [1]\n  at_least_ml = 1\n  at_least_fen = 1", "BAD_VALUE"),
        ("nth = [1]", 'nth = [1]\n  tier = ["golden"]', "UNKNOWN_TIER"),
        ("nth = [1]", 'nth = [1]\n  product = ["petrol-96"]', "RULE_HOLE"),
        ("nth = [1]", 'nth = [1]\n  group = "grade"', "UNKNOWN_KEY"),
        ('id = "gift"', 'id = "birthday"', "DUPLICATE_RULE"),
    ],
)
def test_a_bad_bonus_is_refused_at_its_place(old: str, new: str, reason: str) -> None:
    good = DEMO_TEXT.replace("\n  [ruleset.combine]", BONUS, 1)
    assert not isinstance(parse_bundle(good.encode()), BundleRefused)
    before, own = good[: good.index("  [[ruleset.bonus]]")], good[good.index("  [[ruleset.bonus]]") :]
    result = refusal_of(before + own.replace(old, new, 1))
    assert result.reason == reason
    assert "'gift'" in result.where or reason == "DUPLICATE_RULE"


BANDS = """step = 100
  bands = "whole"
  counted = "sale"
  band = [{ from = 500, points_minor = 120 }, { from = 4000, points_minor = 150 }]
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('  bands = "whole"\n', "", "MISSING_KEY"),
        ('  counted = "sale"\n', "", "MISSING_KEY"),
        (
            "  band = [{ from = 500, points_minor = 120 }, { from = 4000, points_minor = 150 }]\n",
            "",
            "MISSING_KEY",
        ),
        ("from = 4000", "from = 500", "BAD_VALUE"),
        ("from = 500,", "from = 0,", "BAD_VALUE"),
        ('"whole"', '"all"', "BAD_VALUE"),
        ("from = 500,", "form = 500,", "MISSING_KEY"),
    ],
)
def test_bad_bands_are_refused_at_their_rule(old: str, new: str, reason: str) -> None:
    good = DEMO_TEXT.replace("step = 100 \n", BANDS, 1).replace("step = 100\n", BANDS, 1)
    assert not isinstance(parse_bundle(good.encode()), BundleRefused)
    assert good.count(old) == 1
    result = refusal_of(good.replace(old, new))
    assert result.reason == reason
    line = line_of('id = "shop-yuan"')
    assert result.where.startswith("ruleset '2026', base 'shop-yuan'")
    assert result.where.endswith(f"(line {line})")


@pytest.mark.parametrize("key", ["id", "percent", "shadow_sales", "least_sales", "declined_bp", "mismatched"])
def test_a_rollout_is_complete(key: str) -> None:
    table = dict.fromkeys(
        ("percent", "shadow_sales", "least_sales", "declined_bp", "mismatched", "crashes"), 1
    )
    lines = ['id = "july"', *(f"{name} = {value}" for name, value in table.items())]
    good = DEMO_TEXT + "\n[rollout]\n" + "\n".join(lines) + "\n"
    assert not isinstance(parse_bundle(good.encode()), BundleRefused)
    without = "\n".join(line for line in lines if not line.startswith(key))
    assert refusal_of(f"{DEMO_TEXT}\n[rollout]\n{without}\n").reason == "MISSING_KEY"
    assert refusal_of(good.replace("percent = 1", "percent = 101")).reason == "BAD_VALUE"


def test_a_ruleset_with_a_term_of_its_own_says_only_the_term() -> None:
    term = '\n  [ruleset.expiry]\n  months = 36\n  align = "none"\n  round_up = "none"\n\n[grandfather]'
    bundle = demo_bundle(("\n[grandfather]", term))
    former, usual = bundle.ruleset_named("2024"), bundle.ruleset_in_force
    assert bundle.term_of(usual) is bundle.expiry
    assert bundle.term_of(former) is former.expiry
    more = term.replace("months = 36", "months = 36\n  refund_grace_days = 3")
    assert refused("\n[grandfather]", more).reason == "UNKNOWN_KEY"


def test_the_days_of_grace_after_an_outage() -> None:
    assert "outage_grace_days = 3 " in DEMO_TEXT
    told = demo_bundle(("outage_grace_days = 3 ", "outage_grace_days = 7 ")).expiry
    silent = demo_bundle(("outage_grace_days = 3 ", "")).expiry
    assert told is not None
    assert silent is not None
    assert (told.outage_grace_days, silent.outage_grace_days) == (7, 3)


def test_products_are_those_of_the_rules_for_everybody() -> None:
    assert demo_bundle().products == {
        *("petrol-92", "petrol-95", "petrol-98", "diesel-0"),
        *("shop", "drinks", "snacks", "car-wash", "adblue"),
    }


def test_the_page_about_rules_prints_what_is_read() -> None:
    """Every example of config/README.md, put together into one bundle."""
    page = (DEMO_PATH.parents[1] / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page[page.index("## The rules") :], re.DOTALL)
    litre = '[[ruleset.base]]\nid = "litre"\nproduct = ["petrol-92", "petrol-95"]\nper = "volume"\n'
    rate = "points_minor = 100\nquantum = 1000\nstep = 10\n"
    head = HEAD.format(mode="floor", to_minor=100, day_starts="00:00")
    bundle = parse_bundle((head + litre + rate + "\n".join(examples)).encode())
    assert isinstance(bundle, Bundle), bundle
    ruleset = bundle.ruleset_in_force
    assert (len(examples), len(ruleset.base[1].band), len(ruleset.bonus), len(bundle.vector)) == (7, 2, 1, 1)
    assert (ruleset.bonus[0].coupon, [issue.kind for issue in bundle.issue]) == ("welcome", ["wash"])
    assert bundle.rollout is not None
    assert bundle.term_of(ruleset) is ruleset.expiry


FEATURES = """
[[feature]]
name = "pay-by-plate"
tier = ["gold"]

[[feature]]
name = "car-wash-queue"
tier = ["gold", "basic"]
"""


def test_features_are_for_their_tiers() -> None:
    bundle = parse_bundle((DEMO_TEXT + FEATURES).encode())
    assert isinstance(bundle, Bundle)
    assert bundle.features_of("gold") == ("pay-by-plate", "car-wash-queue")
    assert bundle.features_of("basic") == ("car-wash-queue",)
    assert bundle.features_of("stranger") == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('["gold"]', '["golden"]', "UNKNOWN_TIER"),
        ('["gold"]', "[]", "BAD_VALUE"),
        ("car-wash-queue", "pay-by-plate", "DUPLICATE_RULE"),
        ('name = "pay-by-plate"\n', "", "MISSING_KEY"),
    ],
)
def test_a_bad_feature_is_refused_at_its_place(old: str, new: str, reason: str) -> None:
    assert refusal_of(DEMO_TEXT + FEATURES.replace(old, new)).reason == reason
