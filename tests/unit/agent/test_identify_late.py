"""Unit: may a member be named after paying, once, in time, and only while nobody has the points?"""

from dataclasses import replace

from agent.handlers.bind_sale import let_lapse
from agent.handlers.site import Limits
from drivers.events import Credential, CredentialKind, Outcome
from tests.unit.agent.stations import adopt, bundle_bytes
from tests.world import BASIC, BUNDLE, GOLD, STRANGER, World

MINUTE = 60


def paid_without_member(world: World) -> None:
    answer = world.pay("R-1", world.fuel(50_000).amount_fen)
    assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "NO_MEMBER", None)


def test_in_time_it_earns_as_if_known_at_payment(world: World) -> None:
    paid_without_member(world)
    world.wait(30 * MINUTE)
    answer = world.identify("R-1", GOLD)
    assert (answer.outcome, answer.points_minor, answer.balance_minor) == (Outcome.DONE, 12_000, 112_000)


def test_one_second_too_late_is_refused(world: World) -> None:
    paid_without_member(world)
    world.wait(30 * MINUTE + 1)
    assert world.identify("R-1", GOLD).reason == "TOO_LATE"
    assert world.count("award") == 0


def test_the_same_member_again_gets_the_same_answer(world: World) -> None:
    paid_without_member(world)
    world.identify("R-1", GOLD)
    again = world.identify("R-1", GOLD)
    assert (again.outcome, again.points_minor) == (Outcome.REPEATED, 12_000)
    assert world.count("award") == 1


def test_another_member_after_the_award_is_refused(world: World) -> None:
    paid_without_member(world)
    world.identify("R-1", GOLD)
    assert world.identify("R-1", BASIC).reason == "ALREADY_AWARDED"
    assert world.identify("R-1", STRANGER).reason == "ALREADY_AWARDED"
    assert world.rows("SELECT member FROM award") == [("m-gold",)]


def test_a_sale_nobody_made_is_unknown(world: World) -> None:
    assert world.identify("R-9", GOLD).reason == "SALE_UNKNOWN"


def test_a_sale_that_still_waits_keeps_the_member_for_its_fuelling(world: World) -> None:
    world.pay("R-1", 39_250)
    answer = world.identify("R-1", GOLD)
    assert (answer.outcome, answer.durable) == (Outcome.WAITING, True)
    [notice] = world.book(world.fuelling(50_000)).notices
    assert notice.points_minor == 12_000


def test_a_sale_that_must_be_chosen_keeps_it_too(world: World) -> None:
    world.fuel()
    world.fuel()
    listed = world.pay("R-1", 39_250).candidates
    world.identify("R-1", GOLD)
    assert world.choose("R-1", listed[0].fact_id).points_minor == 12_000


def test_a_waiting_sale_that_has_a_member_does_not_change_hands(world: World) -> None:
    world.pay("R-1", 39_250, credential=GOLD)
    assert world.identify("R-1", BASIC).reason == "ALREADY_AWARDED"
    assert world.identify("R-1", GOLD).outcome is Outcome.WAITING
    world.fuel()
    assert world.rows("SELECT member FROM award") == [("m-gold",)]


def test_a_sale_whose_points_only_wait_for_rules_does_not_change_hands(world: World) -> None:
    """It is bound to a member who will have the points as soon as there are rules."""
    world.at_ms -= 30 * 86_400_000
    world.pay("R-1", world.fuel(50_000).amount_fen, credential=GOLD)
    answer = world.identify("R-1", BASIC)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "ALREADY_AWARDED")
    assert world.identify("R-1", GOLD).reason == "NO_RULES"
    adopt(
        world, bundle_bytes(("version = 42", "version = 43"), ("2026-07-01T00:00:00", "2026-01-01T00:00:00"))
    )
    assert world.rows("SELECT member FROM award") == [("m-gold",)]


def test_an_unknown_member_is_claimed_and_then_nobody_else_may_have_it(world: World) -> None:
    """HQ may have awarded the claim already: a second member here would be a second award."""
    paid_without_member(world)
    assert world.identify("R-1", STRANGER).reason == "MEMBER_UNKNOWN"
    assert world.rows("SELECT count(*) FROM outbox WHERE kind = 'claim'") == [(1,)]
    refused = world.identify("R-1", GOLD)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "CLAIM_WITH_HQ")
    assert world.count("award") == 0


def test_a_sale_that_lapsed_is_too_late_however_long_the_limit(world: World) -> None:
    world.site = replace(world.site, limits=Limits(late_identification_ms=86_400_000))
    world.pay("R-1", 39_250)
    world.wait(31 * MINUTE)
    world.run(lambda tx, at: let_lapse(tx, world.site, at))
    assert world.identify("R-1", GOLD).reason == "TOO_LATE"


def test_after_a_refund_there_is_nothing_left_to_earn(world: World) -> None:
    paid_without_member(world)
    world.refund("F-1", "R-1", 100)
    assert world.identify("R-1", GOLD).reason == "SALE_REFUNDED"
    assert world.count("award") == 0


def test_a_closed_membership_can_be_replaced_by_who_really_pays(world: World) -> None:
    closed = Credential(CredentialKind.CARD, "C-CLOSED-3")
    extra = {"member": "m-closed", "credentials": [world.hash(closed)], "tier": "basic", "status": "CLOSED"}
    world.adopt_members(2, extra)
    assert world.pay("R-1", world.fuel().amount_fen, credential=closed).reason == "MEMBER_CLOSED"
    assert world.identify("R-1", BASIC).points_minor == 10_000


def test_the_demo_bundle_is_what_these_tests_count_on() -> None:
    assert b"version = 42" in BUNDLE.read_bytes()
