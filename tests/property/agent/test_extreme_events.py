"""Property: can anything that a driver can report, at the limits of its fields, break the till or the road?

Every event goes through the real handlers and store; every answer is put into words for the POS, and
every item of the ledger stream is judged as headquarters would. Nothing may raise, and nothing that
the station sends may be unreadable or computed otherwise at the other end.
"""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.bind_sale import let_lapse
from agent.handlers.told import Told
from agent.messages.judge import judge_with
from agent.points.rules import Bundle, parse_bundle
from agent.points.values import MOST_MINOR
from drivers.events import (
    BasketLine,
    CandidateChosen,
    Credential,
    CredentialKind,
    DeviceTime,
    Fuelling,
    FuellingStarted,
    HandOver,
    MemberIdentified,
    MemberPresented,
    Monotonic,
    RawDigits,
    SalePaid,
    SaleRefunded,
)
from drivers.pos_link.replies import write_answer, write_show
from drivers.pos_link.requests import write_request
from sync.hq.judging import MINOR_LIMIT, OK, ItemContext, checked
from tests.unit.agent.stations import bundle_bytes
from tests.world import BASIC, BUNDLE, GOLD, STRANGER, World

ENCODINGS = ("utf-8", "gb18030")
LONGEST_COUNT = 10**12 - 1
"""The widest number that a register map can name: twelve decimal digits."""
FLAGS = (
    "MEMORY_STATUS",
    "DEVICE_TIME_ODD",
    "TOTALIZER_ODD",
    "RECORD_NUMBER_ODD",
    "AMOUNT_BELOW_MINOR",
    "RECORDS_LOST",
    "RECORD_STATUS",
    "PRICE_UNREADABLE",
    "TOTAL_UNREADABLE",
    "TOTAL_DIFFERS",
    "AMOUNT_TOTAL_DIFFERS",
)
"""All that any driver gives: more than one record can have, so that a new flag does not matter."""
PAYMENT_CARD = "4111 1111 1111 1111"

volumes_ml = st.sampled_from([1, 10, 20_000, 50_000, 999_999_000, 2**32 - 1, LONGEST_COUNT * 1000])
amounts_fen = st.sampled_from([0, 1, 15_700, 39_250, 999_999_000, 2**32 - 1, LONGEST_COUNT * 100])
prices_milli = st.sampled_from([0, 1, 7_850, 9_999_000, LONGEST_COUNT * 1000])
totals_ml = st.sampled_from([None, 0, 10, 1_000_000, 10**13 - 10, LONGEST_COUNT * 1000])
moduli_ml = st.sampled_from([None, 10**13, (LONGEST_COUNT + 1) * 1000])
steps = st.sampled_from([1, 10, 100, 1000])
device_times = st.sampled_from(
    [None, DeviceTime(None, 2, 29, 23, 59), DeviceTime(2000, 1, 31, 0, 0), DeviceTime(2099, 12, 31, 23, 59)]
)
letters = st.characters(exclude_categories=("Cs", "Cc"))


def texts(most: int) -> st.SearchStrategy[str]:
    """What a text field of the POS link may hold, with its longest and its heaviest values often."""
    heaviest = st.sampled_from(['"', "\\", "中", "\U0001f697", "\u2028", "-"]).map(lambda one: one * most)
    return st.one_of(heaviest, st.text(letters, min_size=1, max_size=most))


members = st.sampled_from([GOLD, BASIC, STRANGER])
credentials = st.one_of(
    members,
    st.builds(
        Credential,
        st.sampled_from(CredentialKind),
        st.one_of(st.just(PAYMENT_CARD), st.just("- -"), texts(64)),
    ),
)
digits = st.sampled_from(["", "000000", "999999", "FFFFFFFFFFFF"])

fuellings = st.builds(
    Fuelling,
    address=st.sampled_from(["0", "7"]),
    nozzle=st.sampled_from(["08", "09", "FF"]),
    hand_over=st.sampled_from(HandOver),
    sequence_no=st.sampled_from([None, 0, 9_999, 65_535, 2**32 - 1]),
    raw=st.builds(RawDigits, digits, digits, digits, digits),
    volume_ml=volumes_ml,
    amount_fen=amounts_fen,
    unit_price_milli=prices_milli,
    volume_step_ml=steps,
    amount_step_fen=steps,
    totalizer_after_ml=totals_ml,
    totalizer_before_ml=totals_ml,
    totalizer_modulus_ml=moduli_ml,
    device_time=device_times,
    duration_s=st.sampled_from([None, 0, 65_535]),
    ended=st.sampled_from([None, Monotonic(0)]),
    credential=st.one_of(st.none(), credentials),
    flags=st.one_of(st.just(FLAGS), st.just(())),
)
registers = st.one_of(st.just("till-1"), texts(20))
sale_ids = st.one_of(st.sampled_from(["S-1", "S-2"]), texts(40))
points = st.one_of(st.sampled_from(["1", "2"]), texts(16))
baskets = st.lists(
    st.builds(
        BasketLine,
        st.one_of(st.just("coffee"), texts(60)),
        st.sampled_from([0, 1_000, 999_999_999]),
        st.sampled_from([0, 1, 500, 9_999_999_999]),
    ),
    max_size=60,
).map(tuple)
payments = st.builds(
    SalePaid,
    registers,
    sale_ids,
    st.one_of(st.none(), points),
    st.one_of(amounts_fen, st.just(9_999_999_999)),
    st.one_of(st.just("cash"), texts(20)),
    baskets,
    st.one_of(st.none(), credentials),
)
pos_requests = st.one_of(
    payments,
    st.builds(MemberPresented, registers, points, credentials),
    st.builds(CandidateChosen, registers, sale_ids, texts(64)),
    st.builds(MemberIdentified, registers, sale_ids, credentials),
    st.builds(SaleRefunded, registers, sale_ids, sale_ids, st.sampled_from([0, 1, 9_999_999_999])),
).filter(lambda request: isinstance(write_request(1, request, "utf-8"), bytes))
"""Only what fits into a message: the link turns the rest away."""
starts = st.builds(FuellingStarted, st.just("0"), st.sampled_from(["08", "FF"]))
events = st.lists(st.one_of(fuellings, pos_requests, starts), min_size=1, max_size=12)

GENEROUS = bundle_bytes(
    ("points_minor = 200 #", "points_minor = 1_000_000_000 #"),
    ("minor = 100000\n", "minor = 9_007_199_254_740_991\n"),
    ("minor = 50000\n", "minor = 9_007_199_254_740_991\n"),
).split(b"[[vector]]", maxsplit=1)[0]
"""Rules by mistake: ten thousand points a millilitre, no cap that holds, no vector that would have told."""
RULES = {"demo": BUNDLE.read_bytes(), "generous": GENEROUS}


@pytest.mark.parametrize("rules", RULES)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(story=events)
def test_no_event_at_its_limits_breaks_the_till_or_cannot_be_read_at_headquarters(rules, story):
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        world = World(Path(folder) / "station.db")
        assert world.run(lambda tx, at: adopt_bundle(RULES[rules], tx, world.site, at)).reason == ""
        assert world.adopt_members(1).reason == ""
        for event in story:
            _told_in_words(world.book(event))
            _pay_what_is_there(world, event)
        world.wait(1_801)
        world.run(lambda tx, at: let_lapse(tx, world.site, at))
        _judged(world, parse_bundle(RULES[rules]))
        world.store.close()


def test_both_ends_of_the_road_have_the_same_limit_of_points():
    assert MOST_MINOR == MINOR_LIMIT


def _pay_what_is_there(world: World, event: object) -> None:
    """Whatever was fuelled is paid by a member, so that it is bound, claimed or awarded."""
    if isinstance(event, Fuelling):
        fact = world.newest_fact()
        for number, card in enumerate((GOLD, STRANGER)):
            sale_id = f"P-{fact.stream_seq}-{number}"
            _told_in_words(world.book(SalePaid("till-1", sale_id, "1", fact.amount_fen, "cash", (), card)))


def _told_in_words(told: Told) -> None:
    assert told.answer.durable
    for encoding in ENCODINGS:
        assert write_answer(999_999, told.answer, encoding)
        for notice in told.notices:
            assert write_show(999_999, notice, encoding)


def _judged(world: World, bundle: Bundle) -> None:
    rows = world.rows("SELECT seq, kind, body FROM outbox WHERE stream = 'ledger' ORDER BY seq")
    items = {seq: (str(kind), bytes(body)) for seq, kind, body in rows}
    judge = judge_with({(bundle.bundle, bundle.version): bundle})
    for seq, (kind, body) in items.items():
        assert json.loads(body)["kind"] == kind
        context = ItemContext("station-0042", 1, "ledger", seq, lambda stream, of: items.get(of))
        assert checked(judge(context, kind, body)).verdict == OK, (kind, body)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
