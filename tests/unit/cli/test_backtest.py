"""Unit: does a backtest count what a candidate would have given, with caps that bind as they would have?"""

import random
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from html.parser import HTMLParser

from agent.cli.backtest import Backtest, Report, Totals, distribution, in_days_of
from agent.cli.backtest_page import Heading, page
from agent.points.award import award
from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.rules import Bundle, parse_bundle
from tests.house.sources import ROOT

SAMPLE = (ROOT / "config" / "samples" / "demo-cn.bundle.toml").read_text()
DAY = Local(business_date="2026-07-08", weekday=3, minute_of_day=600)
NEXT_DAY = Local(business_date="2026-07-09", weekday=4, minute_of_day=600)


def _bundle(*changes: tuple[str, str]) -> Bundle:
    text = SAMPLE.split("[[vector]]")[0]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    parsed = parse_bundle(text.encode())
    assert isinstance(parsed, Bundle), parsed
    return parsed


OLD = _bundle()
HALF_FOR_92 = _bundle(("points_minor = 200 # 2.00 points ...", "points_minor = 100"))
LOW_CAP = _bundle(("minor = 50000", "minor = 15000"))


def _sale(
    volume_ml: int,
    *,
    product: str = "petrol-92",
    tier: str = "basic",
    day_minor: int = 0,
    month_minor: int = 0,
    local: Local = DAY,
) -> AwardInputs:
    return AwardInputs(
        lines=(Line(product=product, volume_ml=volume_ml, amount_fen=volume_ml),),
        tender="cash",
        tier=tier,
        usage=Usage(day_minor=day_minor, month_minor=month_minor),
        evidence="metered",
        time_quality="seen",
        local=local,
    )


def _report(candidate: Bundle, *sales: tuple[str, AwardInputs, int]) -> Report:
    backtest = Backtest(candidate)
    for member, inputs, given in sales:
        backtest.judge(member, inputs, given)
    return backtest.report()


def test_the_same_rules_change_nothing() -> None:
    """Also where caps bind: the recorded counters are the candidate's own."""
    draw = random.Random(7)
    used: dict[tuple[str, str], int] = {}
    history = []
    for _ in range(400):
        member, local = f"m{draw.randrange(5)}", draw.choice((DAY, NEXT_DAY))
        day = used.get((member, local.business_date), 0)
        inputs = _sale(draw.randrange(1_000, 90_000), day_minor=day, local=local)
        given = award(inputs, OLD).minor
        used[member, local.business_date] = day + given
        history.append((member, inputs, given))
    report = _report(OLD, *history)
    assert report.all.change_minor == report.more_sales == report.fewer_sales == 0
    assert report.gaining == report.losing == ()
    assert report.all.given_minor == sum(given for _, _, given in history)
    assert 50_000 in used.values(), "no cap was ever reached"


def test_sums_by_day_product_tier_and_member_agree() -> None:
    report = _report(
        HALF_FOR_92,
        ("m2", _sale(50_000), 10_000),
        ("m1", _sale(30_000, local=NEXT_DAY), 18_000),
        ("m1", _sale(40_000, product="diesel-0", tier="gold", local=NEXT_DAY), 4_800),
    )
    assert report.all == Totals("all", 3, 32_800, 18_800)
    assert (report.more_sales, report.fewer_sales) == (0, 2)
    assert report.days == (
        Totals("2026-07-08", 1, 10_000, 5_000),
        Totals("2026-07-09", 2, 22_800, 13_800),
    )
    assert report.products == (Totals("diesel-0", 1, 4_800, 4_800), Totals("petrol-92", 2, 28_000, 14_000))
    assert report.tiers == (Totals("basic", 2, 28_000, 14_000), Totals("gold", 1, 4_800, 4_800))
    assert [member.name for member in report.losing] == ["m1", "m2"]
    assert [member.change_minor for member in report.losing] == [-9_000, -5_000]


def test_a_lower_cap_binds_on_what_the_candidate_gave_before() -> None:
    """150 a day: the second fill gets the 50 that the first left, the third nothing, the next day is new."""
    report = _report(
        LOW_CAP,
        ("m1", _sale(50_000), 10_000),
        ("m1", _sale(50_000, day_minor=10_000, month_minor=10_000), 10_000),
        ("m1", _sale(50_000, day_minor=20_000, month_minor=20_000), 10_000),
        ("m2", _sale(50_000), 10_000),
    )
    assert [(one.name, one.candidate_minor) for one in report.members] == [("m1", 15_000), ("m2", 10_000)]


def test_less_given_leaves_room_below_a_cap_that_had_cut() -> None:
    """With 1 point a litre the member is not at 500 yet, where history gave nothing any more."""
    report = _report(
        HALF_FOR_92,
        ("m1", _sale(250_000), 50_000),
        ("m1", _sale(50_000, day_minor=50_000, month_minor=50_000), 0),
    )
    assert report.all.candidate_minor == 25_000 + 5_000
    assert (report.more_sales, report.fewer_sales) == (1, 1)


def test_what_was_earned_elsewhere_still_counts() -> None:
    report = _report(LOW_CAP, ("m1", _sale(50_000, day_minor=12_000), 10_000))
    assert report.all.candidate_minor == 3_000


def test_a_mixed_sale_counts_under_its_fuel() -> None:
    mixed = _sale(50_000).model_copy(
        update={"lines": (Line(product="shop", amount_fen=500), Line(product="petrol-92", volume_ml=50_000))}
    )
    assert [one.name for one in _report(OLD, ("m1", mixed, 10_500)).products] == ["petrol-92"]


def test_another_business_day_is_put_into_the_inputs_and_an_equal_one_left_alone() -> None:
    sale = _sale(50_000)
    assert in_days_of(sale, DAY) is sale
    assert in_days_of(sale, NEXT_DAY).local == NEXT_DAY


def _member(change_minor: int) -> Totals:
    return Totals("m", 1, 500_000, 500_000 + change_minor)


def test_every_member_is_in_one_class_of_the_distribution() -> None:
    edges = (0, 1, -1, 999, 1_000, -1_000, 9_999, 10_000, 99_999, 100_000, -100_000)
    classes = dict(distribution([_member(change) for change in edges], 100))
    assert classes == {
        "lose 1000 or more": 1,
        "lose 100 to 1000": 0,
        "lose 10 to 100": 1,
        "lose under 10": 1,
        "same": 1,
        "gain under 10": 2,
        "gain 10 to 100": 2,
        "gain 100 to 1000": 2,
        "gain 1000 or more": 1,
    }


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [str(v) for name, v in attrs if name in {"src", "href", "action", "onload", "style"}]


EVIL = '<script src="https://example.org/x.js">&"'


def _page(*sales: tuple[str, AwardInputs, int]) -> str:
    return page(_report(HALF_FOR_92, *sales), Heading(EVIL, (EVIL,)), 100)


def test_the_page_stands_alone_and_every_name_is_escaped() -> None:
    html = _page((EVIL, _sale(50_000, tier=EVIL), 10_000), ("m2", _sale(9_000, product=EVIL), 0))
    tags = _Tags()
    tags.feed(html)
    assert "script" not in tags.seen
    assert tags.links == []
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "").replace("https://example.org", "")
    assert "@import" not in html
    assert "url(" not in html.replace("url(#hatch)", "")
    assert html.count("&lt;script") == 6, "title, heading, line, product, tier and member"


def test_both_charts_are_sound_xml_within_their_frame() -> None:
    html = _page(*((f"m{n}", _sale(50_000, local=_day(n)), 10_000 + n) for n in range(40)))
    charts = html.split("<svg")[1:]
    assert len(charts) == 2
    for chart in charts:
        root = ET.fromstring("<svg" + chart.split("</svg>")[0] + "</svg>")
        for shape in root.iter():
            for name in {"x", "y", "cx", "cy", "x1", "y1", "x2", "y2"} & set(shape.keys()):
                assert 0 <= int(shape.attrib[name]) <= 760, ET.tostring(shape)
    assert charts[0].count("<circle") == charts[0].count('class="square"') == 40
    assert charts[0].count('text-anchor="middle">2026') == 8
    told = list(ET.fromstring(f"<svg{charts[1].split('</svg>')[0]}</svg>").itertext())
    assert told.count("34") == told.count("6") == 1, "six Thursdays give three times the points"


def test_a_page_without_sales_says_so() -> None:
    assert "No sale in these days." in _page()


def _day(number: int) -> Local:
    day = date(2026, 7, 1) + timedelta(days=number)
    return Local(business_date=day.isoformat(), weekday=day.isoweekday(), minute_of_day=600)
