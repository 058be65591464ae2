"""Integration: is every odd record, product, member and payment booked, counted and shown at a station?

After each test every device has its records confirmed, and station and headquarters hold each sale once.
"""

from pathlib import Path

import pytest

from agent.cli.demo.visits import MEMBERS, STRANGER
from drivers.events import BasketLine, Credential, CredentialKind, Outcome
from tests.integration.station.odd_station import (
    FIRST_CBC_NUMBER,
    FIRST_RING_NUMBER,
    REGISTER,
    odd_station,
)

MEMBER, OTHER = MEMBERS[0][2], MEMBERS[3][2]
PAYMENT_CARD = "4111111111111111"
COFFEE = (BasketLine("coffee", 1_000, 1_200),)
NOZZLES = {"ring": ("disp-1", "1", "1"), "last": ("disp-2", "1", "2"), "08": ("cbc", "08", "3")}
"""Device key, nozzle and point of each."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with odd_station(tmp_path_factory.mktemp("odd")) as station:
        yield station


@pytest.fixture
def station(opened):
    yield opened
    opened.sell_everywhere()
    opened.is_unharmed()


@pytest.mark.parametrize("where", NOZZLES)
def test_an_amount_off_volume_times_price_is_booked_flagged_and_earns(station, where):
    device, nozzle, point = NOZZLES[where]
    with station.seen_in_status({f"alarm ARITHMETIC {device}/{nozzle}": 1}):
        amount_fen = station.sell(where, off_fen=900)
        station.wait_until_booked()
    assert station.facts("flags, amount_fen", device)[-1] == ("ARITHMETIC", amount_fen)
    answer = station.cashier.pay(f"off-{where}", point, amount_fen, MEMBER)
    assert (answer.outcome, answer.reason) == (Outcome.DONE, "")
    assert answer.points_minor > 0


@pytest.mark.parametrize("where", ["ring", "08"])
def test_a_numbered_record_earns_although_its_totalizer_stands(station, where):
    device, nozzle, point = NOZZLES[where]
    with station.seen_in_status({f"alarm TOTALIZER_STILL {device}/{nozzle}": 1}):
        amount_fen = station.sell(where, meter_stands=True)
        station.wait_until_booked()
    assert station.facts("evidence, flags", device)[-1] == ("recorded", "TOTALIZER_STILL")
    assert station.cashier.pay(f"still-{where}", point, amount_fen, MEMBER).points_minor > 0


def test_a_display_whose_totalizer_stands_is_booked_and_earns_nothing(station):
    """Nothing but the display says that fuel flowed: it is evidence of no litre (points.md 7, I28)."""
    flagged = dict.fromkeys(
        [f"alarm {flag} disp-2/1" for flag in ("TOTALIZER_STILL", "TOTAL_DIFFERS", "AMOUNT_TOTAL_DIFFERS")], 1
    )
    with station.seen_in_status({**flagged, "alarm NO_METERING_EVIDENCE point 2": 1}):
        amount_fen = station.sell("last", meter_stands=True)
        station.wait_until_booked()
        answer = station.cashier.pay("still-last", "2", amount_fen, MEMBER)
    assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "NO_METERING_EVIDENCE", 0)
    assert station.facts("evidence", "disp-2")[-1] == ("none",)


def test_litres_that_passed_without_a_record_are_told(station):
    with station.seen_in_status({"alarm MISSED_LITRES cbc/08": 1}):
        station.cbc.act(lambda device: device.concentrator.totals_ml.update({"08": 10_000_000}))
        station.sell("08")
        station.wait_until_booked()
    [missed_ml, evidence] = station.facts("missed_ml, evidence", "cbc")[-1]
    assert missed_ml > 9_000_000
    assert evidence == "metered"
    assert station.facts("volume_ml, amount_fen, evidence", "cbc", "gap") == [(missed_ml, 0, "none")]


def test_sequence_numbers_that_wrap_are_one_row_of_facts(station):
    while len(station.facts("sequence_no", "cbc")) < 6 or len(station.facts("sequence_no", "disp-1")) < 6:
        station.sell_everywhere()
    numbers = [number for (number,) in station.facts("sequence_no", "cbc")]
    assert numbers == [(FIRST_CBC_NUMBER + i) % 10_000 for i in range(len(numbers))]
    assert 0 in numbers
    numbers = [number for (number,) in station.facts("sequence_no", "disp-1")]
    assert numbers == [(FIRST_RING_NUMBER + 1 + i) % 65_536 for i in range(len(numbers))]
    assert 0 in numbers


def test_a_totalizer_that_wraps_is_no_oddity(station):
    station.cbc.act(lambda device: device.concentrator.totals_ml.update({"09": 10**11 - 15_000}))
    for _ in range(2):
        station.sell("09")
        station.wait_until_booked()
    before, after = station.facts("totalizer_after_ml, device_epoch, evidence, flags", "cbc")[-2:]
    assert before[0] > 10**11 - 15_000
    assert after[0] < 15_000
    assert after[1:] == (1, "metered", "")


def test_a_product_that_no_rule_meets_is_a_fact_and_an_award_of_nothing(station):
    with station.seen_in_status({"alarm NO_RULE point 5": 1}):
        amount_fen = station.sell("0A")
        station.wait_until_booked()
        answer = station.cashier.pay("hydrogen", "5", amount_fen, MEMBER)
    assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "NO_RULE", 0)


def test_a_product_that_no_rule_meets_is_counted_beside_goods_that_earn(station):
    with station.seen_in_status({"alarm NO_RULE point 5": 1}):
        amount_fen = station.sell("0A")
        station.wait_until_booked()
        answer = station.cashier.pay("hydrogen-coffee", "5", amount_fen, MEMBER, COFFEE)
    assert (answer.reason, answer.points_minor > 0) == ("", True)


def test_a_nozzle_that_nobody_configured_is_booked(station):
    with station.seen_in_status({"alarm UNMAPPED_NOZZLE cbc/0B": 1}):
        station.sell("0B")
        station.wait_until_booked()
    assert station.facts("nozzle, point, flags", "cbc")[-1] == ("0B", "", "UNMAPPED_NOZZLE")


def test_a_member_who_is_unknown_here_is_a_claim_at_headquarters(station):
    claims = station.hq_sums()["claims"]
    with station.seen_in_status({"alarm MEMBER_UNKNOWN point 3": 1}):
        amount_fen = station.sell("08")
        station.wait_until_booked()
        answer = station.cashier.pay("stranger", "3", amount_fen, STRANGER)
        again = station.cashier.pay("stranger", "3", amount_fen, STRANGER)
    assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "MEMBER_UNKNOWN", None)
    assert again.reason == "MEMBER_UNKNOWN"
    assert station.stage.drain(20)
    assert station.hq_sums()["claims"] == claims + 1


def test_two_members_at_one_point_are_told_apart_by_the_cashier(station):
    station.cashier.present("3", MEMBER)
    station.cashier.present("3", OTHER)
    with station.seen_in_status({"alarm TWO_MEMBERS point 3": 1}):
        amount_fen = station.sell("08")
        station.wait_until_booked()
        answer = station.cashier.pay("both", "3", amount_fen)
    assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.AMBIGUOUS, "TWO_MEMBERS", None)
    station.cashier.identify("both", OTHER)
    assert station.cashier.pay("both", "3", amount_fen).points_minor > 0


def test_a_payment_card_is_refused_wherever_it_is_shown_and_kept_nowhere(station):
    card = Credential(CredentialKind.CARD, "4111 1111-1111 1111")
    at_pos, at_nozzle = f"alarm PAYMENT_CARD_REFUSED register {REGISTER}", "alarm PAYMENT_CARD_REFUSED cbc/08"
    with station.seen_in_status({at_pos: 3, at_nozzle: 1}):
        station.cashier.present("3", card)
        amount_fen = station.sell("08", tag=PAYMENT_CARD)
        station.wait_until_booked()
        refused = station.cashier.pay("card", "3", amount_fen, card)
        paid = station.cashier.pay("card", "3", amount_fen)
        station.cashier.identify("card", card)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "PAYMENT_CARD_REFUSED")
    assert (paid.outcome, paid.reason) == (Outcome.DONE, "NO_MEMBER")
    assert station.facts("flags, credential", "cbc")[-1] == ("PAYMENT_CARD_REFUSED", "")
    assert station.stage.drain(20)
    holding = [path for path in station.stage.directory.rglob("*") if path.is_file() and _holds_card(path)]
    assert holding == []


def test_a_fuelling_without_member_and_payment_is_still_a_fact_at_headquarters(station):
    facts = station.hq_sums()["facts"]
    station.sell("09")
    station.wait_until_booked()
    assert station.stage.drain(20)
    assert station.hq_sums()["facts"] == facts + 1


def test_shop_goods_at_a_point_without_fuel_are_a_basket(station):
    answer = station.cashier.pay("coffee", "3", 0, MEMBER, COFFEE)
    station.cashier.baskets += 1
    assert (answer.outcome, answer.reason, answer.points_minor > 0) == (Outcome.DONE, "", True)
    assert station.stage.status()["waiting_sales"] == 0


def test_requests_that_cannot_be_are_refused_by_name(station):
    amount_fen = station.sell("08")
    station.wait_until_booked()
    pay, cashier = station.cashier.pay, station.cashier
    codes = ["UNKNOWN_POINT", "EMPTY_SALE", "POS_SALE_CONFLICT", "SALE_UNKNOWN", "NOT_A_CANDIDATE"]
    codes += ["SALE_NOT_WAITING", "REFUND_TOO_LARGE", "REFUND_CONFLICT", "ALREADY_AWARDED"]
    with station.seen_in_status(
        {f"alarm {code} register {REGISTER}": 2 if code == "SALE_UNKNOWN" else 1 for code in codes}
    ):
        assert pay("p-1", "77", amount_fen).reason == "UNKNOWN_POINT"
        assert pay("p-2", "3", 0).reason == "EMPTY_SALE"
        waiting = station.pos_answer(lambda pos: pos.pay("p-3", "4", 77_777, "cash"))
        assert waiting.outcome is Outcome.WAITING
        cashier.choose("p-3", "no-such-fact")
        assert pay("p-4", "3", amount_fen, MEMBER).outcome is Outcome.DONE
        assert pay("p-4", "3", amount_fen + 1, MEMBER).reason == "POS_SALE_CONFLICT"
        cashier.choose("p-4", "no-such-fact")
        cashier.choose("nobody", "no-such-fact")
        cashier.identify("nobody", MEMBER)
        cashier.identify("p-4", OTHER)
        cashier.refund("r-1", "p-4", 10**9)
        cashier.refund("r-2", "p-4", 1)
        cashier.refund("r-2", "p-4", 2)


def _holds_card(path: Path) -> bool:
    return PAYMENT_CARD[:12].encode() in path.read_bytes()
