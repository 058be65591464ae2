"""Property: whatever happens in whatever order, and however often, do the books of the station hold?

A machine fuels, shows cards, pays, chooses, identifies, refunds, repeats and restarts at random. Its
own model is a few dictionaries; everything else is checked from the rows (points.md 7: I1 to I4, I9,
I12, I18 to I20).
"""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from agent.handlers.adopt import adopt_bundle
from agent.handlers.apply_ack import apply_ack, prune
from agent.handlers.bind_sale import let_lapse
from agent.points.award import Award, award
from agent.points.inputs import AwardInputs
from agent.points.rules import BundleRefused, parse_bundle
from agent.store.integrity import verify
from agent.store.outbox import LEDGER
from drivers.events import (
    Answer,
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
from sync.chain import GENESIS, next_head
from tests.world import BASIC, BUNDLE, GOLD, STRANGER, World, paid

VOLUMES_ML = st.sampled_from([1_000, 20_000, 20_010, 50_000])
"""Few, so that amounts collide and sales become ambiguous; 20.00 and 20.01 l are 8 fen apart."""
CARDS = st.sampled_from([GOLD, BASIC, STRANGER])
MAYBE_CARD = st.sampled_from([None, None, None, GOLD, BASIC, STRANGER])
MAYBE_TAG = st.sampled_from([None, None, None, None, None, GOLD])
NOZZLES = st.sampled_from(["08", "09"])
LINES = st.lists(st.builds(BasketLine, st.just("coffee"), st.just(1_000), st.integers(1, 5_000)), max_size=2)
HQ_BALANCE_MINOR = {"m-gold": 100_000, "m-basic": 0}


class Station(RuleBasedStateMachine):
    fuellings = Bundle("fuellings")
    sales = Bundle("sales")
    refunds = Bundle("refunds")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=_memory()))
        self.world = World(self.folder / "station.db").stock()
        self.records: set[Fuelling] = set()
        self.answers: dict[PosRequest, Answer] = {}
        self.sold = 0

    def teardown(self) -> None:
        self.world.store.close()
        shutil.rmtree(self.folder)

    @rule(target=fuellings, volume_ml=VOLUMES_ML, nozzle=NOZZLES, tag=MAYBE_TAG, watched=st.booleans())
    def fuel(self, volume_ml: int, nozzle: str, tag: Credential | None, watched: bool) -> Fuelling:
        record = self.world.fuelling(volume_ml, nozzle, credential=tag)
        told = self.world.book(record, ended_ago_ms=0 if watched else None)
        assert (told.answer.outcome, told.answer.durable) == (Outcome.DONE, True)
        self.records.add(record)
        return record

    @rule(record=fuellings)
    def read_again(self, record: Fuelling) -> None:
        told = self.world.book(record, ended_ago_ms=None)
        assert (told.answer.outcome, told.notices) == (Outcome.REPEATED, ())

    @rule(card=CARDS)
    def present(self, card: Credential) -> None:
        assert self.world.book(MemberPresented("till-1", "1", card)).answer.outcome is Outcome.DONE

    @rule(nozzle=NOZZLES)
    def lift(self, nozzle: str) -> None:
        self.world.lift(nozzle)

    @rule(
        target=sales,
        record=fuellings,
        off_fen=st.sampled_from([0, 0, 0, 1, -1, 2]),
        card=MAYBE_CARD,
        lines=LINES,
    )
    def pay(
        self, record: Fuelling, off_fen: int, card: Credential | None, lines: list[BasketLine]
    ) -> PosRequest:
        self.sold += 1
        fen = record.amount_fen + off_fen
        return self.say(paid(f"R-{self.sold}", fen, credential=card, lines=tuple(lines)))

    @rule(target=sales, volume_ml=VOLUMES_ML, card=MAYBE_CARD)
    def pay_before(self, volume_ml: int, card: Credential | None) -> PosRequest:
        self.sold += 1
        fen = (volume_ml * 7_850 + 5_000) // 10_000
        return self.say(paid(f"R-{self.sold}", fen, credential=card))

    @rule(target=sales, card=MAYBE_CARD, fen=st.integers(1, 100_000))
    def shop(self, card: Credential | None, fen: int) -> PosRequest:
        self.sold += 1
        return self.say(
            paid(f"R-{self.sold}", 0, point=None, credential=card, lines=(BasketLine("oil", 1_000, fen),))
        )

    @rule(sale=sales, number=st.integers(0, 7))
    def choose(self, sale: PosRequest, number: int) -> None:
        listed = self.world.book(sale).answer.candidates
        assume(listed)
        self.say(CandidateChosen("till-1", _sale_id(sale), listed[number % len(listed)].fact_id))

    @rule(sale=sales, card=CARDS)
    def identify(self, sale: PosRequest, card: Credential) -> None:
        self.say(MemberIdentified("till-1", _sale_id(sale), card))

    @rule(target=refunds, sale=sales, fen=st.integers(1, 45_000))
    def refund(self, sale: PosRequest, fen: int) -> PosRequest:
        return self.say(SaleRefunded("till-1", f"F-{len(self.answers)}", _sale_id(sale), fen))

    @rule(request=sales | refunds)
    def repeat(self, request: PosRequest) -> None:
        """Heard again it changes no book, whatever it answers."""
        before = self.books()
        self.world.book(request)
        after = self.books()
        assert after == before

    @rule(seconds=st.sampled_from([1, 60, 299, 301, 1_799, 1_801]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)
        self.world.run(lambda tx, at: let_lapse(tx, self.world.site, at))

    @rule()
    def restart(self) -> None:
        before = self.books()
        self.world.reopen()
        assert self.books() == before

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

    @rule(version=st.integers(43, 45))
    def adopt(self, version: int) -> None:
        payload = BUNDLE.read_bytes().replace(b"version = 42", b"version = %d" % version, 1)
        self.world.run(lambda tx, at: adopt_bundle(payload, tx, self.world.site, at))

    def say(self, request: PosRequest) -> PosRequest:
        self.answers[request] = self.world.book(request).answer
        return request

    def books(self) -> list[object]:
        tables = ("fact", "binding", "award", "lot", "refund", "ledger_entry", "posting", "account", "outbox")
        return [self.world.rows(f"SELECT * FROM {table}") for table in tables]

    @invariant()
    def everything_the_tables_promise_each_other(self) -> None:
        assert verify(self.world.store._connection) == []

    @invariant()
    def every_fact_once(self) -> None:
        assert self.world.rows("SELECT count(*) FROM fact WHERE kind = 'fuelling'") == [(len(self.records),)]

    @invariant()
    def at_most_one_award_for_a_fact_and_none_without_a_member(self) -> None:
        [(awards, facts)] = self.world.rows("SELECT count(*), count(DISTINCT fact_id) FROM award")
        assert awards == facts
        claims = self.world.rows(_CLAIMED_AND_AWARDED)
        assert claims == []

    @invariant()
    def ledger_and_caches(self) -> None:
        assert self.world.rows("SELECT seq FROM posting GROUP BY seq HAVING sum(minor) <> 0") == []
        assert self.world.rows("SELECT account, sum(minor) FROM posting GROUP BY account") == self.world.rows(
            "SELECT account, minor FROM account ORDER BY account"
        )
        head = GENESIS
        for number, (seq, body, stored) in enumerate(
            self.world.rows("SELECT seq, body, head FROM ledger_entry ORDER BY seq"), 1
        ):
            head = next_head(head, bytes(body))
            assert (seq, stored) == (number, head)

    @invariant()
    def outbox_without_a_gap(self) -> None:
        found = self.world.rows("SELECT seq, body, head FROM outbox WHERE stream = 'ledger' ORDER BY seq")
        for (before, _, head), (seq, body, next_) in pairwise(found):
            assert seq == before + 1
            assert next_ == next_head(bytes(head), bytes(body))
        [(acked,)] = self.world.rows("SELECT coalesce(max(seq), 0) FROM watermark WHERE stream = 'ledger'")
        if found:
            assert found[0][0] <= max(1, acked)

    @invariant()
    def lots_and_display(self) -> None:
        """What is shown is HQ's balance plus our own awards minus our own refunds, from the rows alone."""
        for member, balance_minor in HQ_BALANCE_MINOR.items():
            [(awarded,)] = self.world.rows(
                "SELECT coalesce(sum(minor), 0) FROM award WHERE member = ?", member
            )
            [(returned,)] = self.world.rows(_RETURNED, member)
            [(remaining,)] = self.world.rows(
                "SELECT coalesce(sum(remaining_minor), 0) FROM lot WHERE member = ?", member
            )
            own = awarded - returned
            assert self.world.balance_minor(member) == balance_minor + own
            assert remaining == own  # nothing is spent here yet

    @invariant()
    def awards_can_be_computed_again(self) -> None:
        for inputs, result, minor, body in self.world.rows(_AWARDS):
            bundle = parse_bundle(bytes(body))
            assert not isinstance(bundle, BundleRefused)
            again = award(AwardInputs.model_validate_json(str(inputs)), bundle)
            assert again == Award.model_validate_json(str(result))
            assert again.minor == minor


_AWARDS = """
SELECT inputs, result, minor, body FROM award JOIN bundle USING (bundle, version)
ORDER BY stream_seq DESC LIMIT 3
"""
_RETURNED = (
    "SELECT coalesce(sum(refund.minor), 0) FROM refund JOIN award USING (fact_id) WHERE award.member = ?"
)
_CLAIMED_AND_AWARDED = """
SELECT 1 FROM binding JOIN award USING (fact_id)
WHERE binding.reason = 'MEMBER_UNKNOWN' OR binding.member = ''
"""


def _sale_id(request: PosRequest) -> str:
    assert hasattr(request, "pos_sale_id")
    return str(request.pos_sale_id)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


TestStation = Station.TestCase
TestStation.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
