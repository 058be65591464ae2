"""Property: whatever happens in whatever order, and however often, do the books of the station hold?

Two machines tell stories of a station at random. At the counter: fuelling, cards, payments before and
after, choices, late identification, refunds, repetitions. Through the year: whole sales, refunds in
parts, and everything that days, headquarters and people with access to the file do: points lapse, are
activated, days are closed, in light and dark, by good clocks and bad; rules come, wait, judge and are
taken back; snapshots and deltas come late, and points are given, taken, corrected, frozen; old copies
of the file are put back. After every step everything is
checked (`station_story.py`): points.md 7, I1 to I4, I6, I8 to I12, I18 to I22, I24, I25, I28, I30.
"""

import copy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent.clock import ClockQuality
from agent.handlers import lifecycle
from agent.handlers.apply_ack import apply_ack, prune
from agent.messages import ids
from agent.store.outbox import LEDGER
from drivers.events import (
    BasketLine,
    CandidateChosen,
    Credential,
    Fuelling,
    MemberIdentified,
    MemberPresented,
    Outcome,
    PosRequest,
    SaleRefunded,
)
from tests.property.agent.naive_books import Elsewhere, day_of
from tests.property.agent.station_story import MEMBERS, Story
from tests.unit.agent.told_by_hq import adjust, correct, order
from tests.world import BASIC, DAY_MS, GOLD, STRANGER, paid

FUELLINGS, SALES, REFUNDS = Bundle("fuellings"), Bundle("sales"), Bundle("refunds")
VOLUMES_ML = st.sampled_from([1_000, 20_000, 20_010, 50_000])
"""Few, so that amounts collide and sales become ambiguous; 20.00 and 20.01 l are 8 fen apart."""
CARDS = st.sampled_from([GOLD, BASIC, STRANGER])
MAYBE_CARD = st.sampled_from([None, None, None, GOLD, BASIC, STRANGER])
MAYBE_TAG = st.sampled_from([None, None, None, None, None, GOLD])
NOZZLES = st.sampled_from(["08", "09"])
LINES = st.lists(st.builds(BasketLine, st.just("coffee"), st.just(1_000), st.integers(1, 5_000)), max_size=2)
PARTS = st.lists(
    st.tuples(st.sampled_from([None, -1, 0, 1, 20]), st.sampled_from([1, 700, 40_000])), max_size=3
)
PAYERS = ["member", "programme"]
ELSEWHERE = st.builds(
    Elsewhere,
    PARTS.map(tuple),
    day_minor=st.sampled_from([0, 0, 30_000, 49_900, 60_000]),
    month_minor=st.sampled_from([0, 70_000]),
    frozen=st.booleans(),
)


class Kept(Story):
    """What happens in both kinds of story."""

    @rule(target=SALES, volume_ml=VOLUMES_ML, card=CARDS)
    def sell(self, volume_ml: int, card: Credential) -> PosRequest:
        """A whole sale in one step, so that stories have points in them."""
        record = self.pump(volume_ml)
        return self.say(paid(self.name("R"), record.amount_fen, credential=card))

    @rule(target=REFUNDS, sale=SALES, fen=st.integers(1, 45_000))
    def refund(self, sale: PosRequest, fen: int) -> PosRequest:
        return self.say(SaleRefunded("till-1", self.name("F"), _sale_id(sale), fen))

    @rule(request=SALES | REFUNDS)
    def repeat(self, request: PosRequest) -> None:
        """Heard again it changes no book, whatever it answers."""
        if self.is_known(request):
            before = self.books()
            self.hear(request)
            assert self.books() == before
        else:  # an old file was put back since
            self.hear(request)

    @rule(seconds=st.sampled_from([1, 60, 299, 301, 1_799, 1_801]))
    def wait(self, seconds: int) -> None:
        self.pass_time(seconds)

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        before = self.books()
        self.crashed |= not clean
        self.world.stop(clean=clean)
        self.world.start()
        assert self.books() == before

    @precondition(lambda self: len(self.copies) < 3)
    @rule()
    def somebody_copies_the_file(self) -> None:
        made = self.world.copy(f"copy-{len(self.copies)}.db")
        self.copies.append((made, copy.deepcopy(self.known)))

    @precondition(lambda self: self.copies)
    @rule(number=st.integers(0, 2), read_anew=st.booleans())
    def somebody_puts_a_copy_back(self, number: int, read_anew: bool) -> None:
        """Under a new epoch it goes on earning; records that it lacks are read anew, or are lost."""
        put_back, known = self.copies[number % len(self.copies)]
        heads = self.world.store.heads()
        same = (put_back.heads.ledger, put_back.heads.streams) == (heads.ledger, heads.streams)
        self.world.put_back(put_back)
        self.known = copy.deepcopy(known)
        self.see_rules()
        if same and put_back.heads.epoch == heads.epoch:
            assert self.world.store.epoch == heads.epoch
        else:
            assert self.world.store.epoch == heads.epoch + 1
            assert ("LEDGER_CUT", "database") in self.world.alarms()
        for record in self.made:
            if read_anew and record not in self.known.records:
                assert self.world.book(record, ended_ago_ms=None).answer.outcome is Outcome.DONE
                self.known.records.add(record)
        self.do_chores()

    @rule(behind=st.integers(0, 3))
    def acknowledge(self, behind: int) -> None:
        last = self.world.run(lambda tx, at: tx.outbox.next_seq(LEDGER) - 1)
        seq = max(0, last - behind)
        head = self.world.run(lambda tx, at: tx.outbox.head_at(LEDGER, seq))
        if head is not None:
            assert self.world.run(lambda tx, at: apply_ack(LEDGER, seq, head, tx, at)) == ""

    @rule()
    def forget_what_hq_has(self) -> None:
        self.world.run(lambda tx, at: prune(LEDGER, 60_000, tx, at))


class AtTheCounter(Kept):
    @initialize()
    def first_day(self) -> None:
        self.open()

    @rule(target=FUELLINGS, volume_ml=VOLUMES_ML, nozzle=NOZZLES, tag=MAYBE_TAG, watched=st.booleans())
    def fuel(self, volume_ml: int, nozzle: str, tag: Credential | None, watched: bool) -> Fuelling:
        return self.pump(volume_ml, nozzle, tag, watched=watched)

    @rule(record=FUELLINGS)
    def read_again(self, record: Fuelling) -> None:
        assume(record in self.known.records)
        told = self.world.book(record, ended_ago_ms=None)
        assert (told.answer.outcome, told.notices) == (Outcome.REPEATED, ())

    @rule(card=CARDS)
    def present(self, card: Credential) -> None:
        told = self.hear(MemberPresented("till-1", "1", card))
        assert told.outcome is Outcome.DONE

    @rule(nozzle=NOZZLES)
    def lift(self, nozzle: str) -> None:
        self.world.lift(nozzle)

    @rule(
        target=SALES,
        record=FUELLINGS,
        off_fen=st.sampled_from([0, 0, 0, 1, -1, 2]),
        card=MAYBE_CARD,
        lines=LINES,
    )
    def pay(
        self, record: Fuelling, off_fen: int, card: Credential | None, lines: list[BasketLine]
    ) -> PosRequest:
        fen = record.amount_fen + off_fen
        return self.say(paid(self.name("R"), fen, credential=card, lines=tuple(lines)))

    @rule(target=SALES, volume_ml=VOLUMES_ML, card=MAYBE_CARD)
    def pay_before(self, volume_ml: int, card: Credential | None) -> PosRequest:
        fen = (volume_ml * 7_850 + 5_000) // 10_000
        return self.say(paid(self.name("R"), fen, credential=card))

    @rule(target=SALES, card=MAYBE_CARD, fen=st.integers(1, 100_000))
    def shop(self, card: Credential | None, fen: int) -> PosRequest:
        lines = (BasketLine("oil", 1_000, fen),)
        return self.say(paid(self.name("R"), 0, point=None, credential=card, lines=lines))

    @rule(sale=SALES, number=st.integers(0, 7))
    def choose(self, sale: PosRequest, number: int) -> None:
        listed = self.hear(sale).candidates
        assume(listed)
        self.say(CandidateChosen("till-1", _sale_id(sale), listed[number % len(listed)].fact_id))

    @rule(sale=SALES, card=CARDS)
    def identify(self, sale: PosRequest, card: Credential) -> None:
        self.say(MemberIdentified("till-1", _sale_id(sale), card))


class ThroughTheYear(Kept):
    @initialize(target=SALES)
    def first_sales(self) -> MultipleResults[PosRequest]:
        """So that no story is without points."""
        self.open()
        return multiple(self.sell(20_000, GOLD), self.sell(50_000, BASIC))

    @rule(sale=SALES, parts=st.integers(1, 4))
    def refund_all_of_it_in_parts(self, sale: PosRequest, parts: int) -> None:
        """I12: what goes back is what was given and not taken since, in however many parts."""
        found = self.world.rows(_SALE, _sale_id(sale))
        assume(found)
        [(fact_id, left_fen)] = found
        assume(left_fen >= parts)
        for number in range(parts):
            fen = left_fen - left_fen // parts * (parts - 1) if number == 0 else left_fen // parts
            self.say(SaleRefunded("till-1", self.name("F"), _sale_id(sale), fen))
        [(worth_minor, returned_minor)] = self.world.rows(_WORTH_AND_RETURNED, *[fact_id] * 3)
        assert worth_minor == returned_minor

    @rule(member=st.sampled_from(sorted(MEMBERS)), minor=st.sampled_from([500, 9_000, 30_000]))
    def spend_some(self, member: str, minor: int) -> None:
        """What is spent cannot be taken back from its lot: refunds then reach for others, and for debt."""
        self.world.spend(member, minor)

    @rule()
    def repeat_everything(self) -> None:
        """A device and a POS that have lost their memory: every record and every payment again."""
        before = self.books()
        for record in self.made:
            if record in self.known.records:
                self.world.book(record, ended_ago_ms=None)
        for request in [*self.known.requests]:
            self.hear(request)
        assert self.books() == before

    @rule(days=st.sampled_from([1, 2, 4, 28, 33, 33]))
    def days_pass(self, days: int) -> None:
        self.pass_time(days * 86_400)

    @precondition(lambda self: not self.is_dark())
    @rule(silent_s=st.sampled_from([600, 3_600, 86_400]))
    def darkness_falls(self, silent_s: int) -> None:
        """Noted when headquarters has been silent for a while."""
        began_ms = self.world.at_ms - silent_s * 1000
        self.world.run(lambda tx, at: tx.darkness.begin(began_ms))
        if began_ms not in [began for began, _ in self.known.spells]:
            self.known.spells.append((began_ms, None))
        self.do_chores()

    @precondition(lambda self: self.is_dark())
    @rule()
    def the_road_is_back(self) -> None:
        self.world.run(lambda tx, at: tx.darkness.end(at.wall_ms))
        began_ms, _ = self.known.spells.pop()
        self.known.spells.append((began_ms, max(began_ms, self.world.at_ms)))
        self.do_chores()

    @rule()
    def nobody_vouches_for_the_clock(self) -> None:
        self.world.quality = ClockQuality.UNTRUSTED

    @rule()
    def the_clock_is_set(self) -> None:
        self.world.quality = ClockQuality.SYNCED
        self.do_chores()

    @rule(
        since_ms=st.sampled_from([-2 * DAY_MS, -3_600_000, 0, 3_600_000, 2 * DAY_MS]),
        delay=st.sampled_from(["PT0S", "PT1H", "PT48H"]),
        day_cap_minor=st.sampled_from([20_000, 50_000]),
        first_fill=st.booleans(),
        paused=st.booleans(),
        shadow_sales=st.sampled_from([None, None, 0, 2]),
    )
    def new_rules(
        self,
        since_ms: int,
        delay: str,
        day_cap_minor: int,
        first_fill: bool,
        paused: bool,
        shadow_sales: int | None,
    ) -> None:
        today = day_of(self.world.at_ms)
        self.bring_rules(
            self.world.at_ms + since_ms,
            delay=delay,
            day_cap_minor=day_cap_minor,
            first_fill=first_fill,
            pause=(today, today + timedelta(days=4)) if paused else None,
            shadow_sales=shadow_sales,
        )
        self.do_chores()

    @rule(times=st.integers(1, 3))
    def hq_computes_awards_otherwise(self, times: int) -> None:
        """By what it signs of a sale that it has; too much of it takes the rules back, if there are good
        ones to go back to."""
        self.sell(20_000, GOLD)
        self.acknowledge(0)
        self.hq_disagreed = True
        [(known,)] = self.world.rows("SELECT mismatched FROM station")
        self.world.run(lambda tx, at: lifecycle.note_mismatches(known + times, tx, at))
        self.do_chores()

    @rule(
        member=st.sampled_from(sorted(MEMBERS)),
        minor=st.sampled_from([-30_000, -700, 500, 20_000]),
        in_days=st.sampled_from([None, 0, 3, 40]),
    )
    def hq_gives_or_takes(self, member: str, minor: int, in_days: int | None) -> None:
        """A decision about points, booked here: lots or debt, and goodwill."""
        before = self.holdings(member)
        today = day_of(self.world.at_ms)
        term = "" if in_days is None else (today + timedelta(days=in_days)).isoformat()
        assert adjust(self.world, minor, member, lapses_on=term) == ""
        assert self.holdings(member) == before + minor

    @rule(sale=SALES, minor=st.sampled_from([-5_000, -1, 1, 3_000]), borne_by=st.sampled_from(PAYERS))
    def hq_corrects(self, sale: PosRequest, minor: int, borne_by: str) -> None:
        """Nothing is corrected twice over, and nothing after a refund."""
        found = self.world.rows(_AWARDED, _sale_id(sale))
        assume(found)
        [(fact_id, member, left_minor, refunded_fen, rest_minor, lapsed_minor)] = found
        before = self.holdings(member)
        verdict = correct(self.world, minor, ids.text(fact_id), borne_by=borne_by)
        if verdict == "TERM_OVER":
            assert minor > 0
        elif refunded_fen:
            assert verdict == "CORRECTION_AFTER_REFUND"
        elif -minor > left_minor:
            assert verdict == "CORRECTION_TOO_LARGE"
        else:
            assert verdict == ""
        borne = verdict or (minor < 0 and borne_by == "programme")
        lost_before = min(lapsed_minor, max(0, -minor - rest_minor))
        assert self.holdings(member) == before + (0 if borne else minor + lost_before)

    @rule(member=st.sampled_from(sorted(MEMBERS)), frozen=st.booleans())
    def hq_freezes_or_lifts(self, member: str, frozen: bool) -> None:
        assert order(self.world, "freeze" if frozen else "unfreeze", {"member": member, "reason": "x"}) == ""
        [(status,)] = self.world.rows("SELECT status FROM member WHERE member = ?", member)
        assert status == ("FROZEN" if frozen else "ACTIVE")

    @rule(member=st.sampled_from(sorted(MEMBERS)), elsewhere=ELSEWHERE, behind=st.integers(0, 6))
    def news_of_one_member(self, member: str, elsewhere: Elsewhere, behind: int) -> None:
        self.hear_of_one(member, elsewhere, behind=behind, swept=False)

    def holdings(self, member: str) -> int:
        """What the member has here and owes, minor units."""
        [(minor,)] = self.world.rows(_HOLDINGS, f"member:{member}:%")
        return int(minor)

    @rule(gold=ELSEWHERE, basic=ELSEWHERE, behind=st.integers(0, 6), swept=st.booleans())
    def new_snapshot(self, gold: Elsewhere, basic: Elsewhere, behind: int, swept: bool) -> None:
        self.hear_of_members({"m-gold": gold, "m-basic": basic}, behind=behind, swept=swept)


_SALE = """
SELECT fact_id, total_fen - refunded_fen FROM pos_sale WHERE pos_sale_id = ? AND fact_id IS NOT NULL
"""
_WORTH_AND_RETURNED = """
SELECT (SELECT coalesce(sum(minor), 0) FROM award WHERE fact_id = ?)
       - (SELECT coalesce(sum(max(0, -minor)), 0) FROM adjustment WHERE fact_id = ?),
       (SELECT coalesce(sum(minor), 0) FROM refund WHERE fact_id = ?)
"""


_AWARDED = """
SELECT award.fact_id, award.member,
       award.minor - (SELECT coalesce(sum(borne_minor + max(0, -adjustment.minor)), 0) FROM adjustment
                      WHERE adjustment.fact_id = award.fact_id), pos_sale.refunded_fen,
       coalesce(lot.remaining_minor, 0), coalesce(lot.lapsed_minor, 0)
FROM award JOIN pos_sale USING (fact_id) LEFT JOIN lot ON lot_id = award_id WHERE pos_sale_id = ?
"""
_HOLDINGS = "SELECT coalesce(sum(minor), 0) FROM account WHERE account LIKE ?"


def _sale_id(request: PosRequest) -> str:
    assert hasattr(request, "pos_sale_id")
    return str(request.pos_sale_id)


def _short(stories: int) -> settings:
    return settings(
        deadline=None,
        max_examples=stories,
        stateful_step_count=30,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


TestAtTheCounter = AtTheCounter.TestCase
TestAtTheCounter.settings = _short(24)
TestThroughTheYear = ThroughTheYear.TestCase
TestThroughTheYear.settings = _short(50)


@pytest.mark.storm
@pytest.mark.parametrize("kind", [AtTheCounter, ThroughTheYear])
def test_a_storm_of_stories(kind: type[Story]) -> None:
    run_state_machine_as_test(kind, settings=settings(_short(1_500), stateful_step_count=60))


def test_what_was_spent_of_points_that_hq_swept_is_not_taken_off_twice() -> None:
    """HQ took them out as lapsed, and had not heard that they were spent here on their last day."""
    story = ThroughTheYear()
    story.first_sales()
    story.days_pass(30)
    story.spend_some("m-gold", 30_000)
    story.days_pass(1)
    yesterday = day_of(story.world.at_ms) - timedelta(days=1)
    story.swept_through = lambda: yesterday.isoformat()  # type: ignore[method-assign]
    elsewhere = {"m-gold": Elsewhere(((None, 70_000),)), "m-basic": Elsewhere()}
    try:
        story.hear_of_members(elsewhere, behind=2, swept=True)
        assert story.world.balance_minor("m-gold") == 70_000
    finally:
        story.teardown()
