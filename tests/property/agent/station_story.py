"""The station of the state machines: what their steps have in common, and what holds after every step.

The invariants are those of points.md 7, each from the rows; `naive_books.py` has the model beside them.
"""

import json
import shutil
import tempfile
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis.stateful import RuleBasedStateMachine, invariant

from agent.clock import ClockQuality
from agent.handlers.adopt_members import adopt_members
from agent.points.inputs import AwardInputs
from agent.store.integrity import verify
from drivers.events import Answer, Credential, Fuelling, Outcome, PosRequest
from sync.chain import GENESIS, next_head
from tests.property.agent.kept_station import Copy, KeptStation
from tests.property.agent.naive_books import (
    Elsewhere,
    Knowledge,
    business_date_of,
    day_of,
    last_day,
    pauses_of,
    word_of_hq,
)
from tests.property.agent.story_rules import REGION, rules
from tests.unit.agent.told_by_hq import order
from tests.world import BASIC, DAY_MS, GOLD, site

MEMBERS = {"m-gold": ("gold", GOLD), "m-basic": ("basic", BASIC)}


class Story(RuleBasedStateMachine):
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=_memory()))
        self.world = KeptStation(self.folder / "station.db", site=site(region=REGION))
        self.known = Knowledge()
        self.copies: list[tuple[Copy, Knowledge]] = []
        self.made: list[Fuelling] = []
        self.version, self.snapshot, self.said = 1, 0, 0
        self.caps_minor: dict[int, int] = {}
        self.pauses: dict[int, list[tuple[date, date]]] = {}
        self.staged: set[int] = set()
        self.hq_disagreed = self.crashed = False
        self.bring_rules(self.world.at_ms - 7 * DAY_MS)
        self.hear_of_members({"m-gold": Elsewhere(((None, 100_000),)), "m-basic": Elsewhere()})

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder)

    # What the rules above have in common.

    def pump(
        self, volume_ml: int, nozzle: str = "08", tag: Credential | None = None, *, watched: bool = True
    ) -> Fuelling:
        """The next fuelling, booked."""
        record = self.world.fuelling(volume_ml, nozzle, credential=tag)
        self.made.append(record)
        told = self.world.book(record, ended_ago_ms=0 if watched else None)
        assert (told.answer.outcome, told.answer.durable) == (Outcome.DONE, True)
        self.known.records.add(record)
        return record

    def name(self, letter: str) -> str:
        self.said += 1
        return f"{letter}-{self.said}"

    def say(self, request: PosRequest) -> PosRequest:
        """What was refused is not known: it may be taken later, when the sale it is about is here again."""
        if self.hear(request).outcome is not Outcome.REFUSED:
            self.known.requests[request] = None
        return request

    def hear(self, request: PosRequest) -> Answer:
        """I25: whoever is told a balance is told as of when."""
        answer = self.world.book(request).answer
        if answer.balance_minor is not None:
            assert answer.balance_as_of_ms in self.known.as_of_ms.values()
        return answer

    def is_known(self, request: PosRequest) -> bool:
        return request in self.known.requests

    def is_dark(self) -> bool:
        return bool(self.known.spells) and self.known.spells[-1][1] is None

    def pass_time(self, seconds: int) -> None:
        self.world.wait(seconds)
        self.do_chores()

    def do_chores(self) -> None:
        """Nothing lapses, is activated or closed by a clock that nobody vouches for."""
        self.see_rules()
        before, closes = self.world.rows(_DUE_ENTRIES), -1
        while self.world.count("daily_close") != closes:  # a month of them at a time
            closes = self.world.count("daily_close")
            self.world.chores()
        self.see_rules()
        if self.world.quality is ClockQuality.UNTRUSTED:
            assert self.world.rows(_DUE_ENTRIES) == before

    def bring_rules(self, effective_from_ms: int, **changes: object) -> None:
        self.version += 1
        self.caps_minor[self.version] = int(changes.get("day_cap_minor", 50_000))  # type: ignore[call-overload]
        if changes.get("shadow_sales") is not None:
            self.staged.add(self.version)
        payload = rules(self.version, effective_from_ms, **changes)  # type: ignore[arg-type]
        self.pauses[self.version] = pauses_of(payload, self.world.site)
        adopted = self.world.adopt_bundle(payload)
        assert adopted.reason == "", adopted
        self.see_rules()

    def see_rules(self) -> None:
        """I22: what a bundle that is put in force judges is known beforehand; none comes back."""
        states = self.world.rows(_STATES)
        for version, state, since_ms, _ in states:
            if state in ("ACTIVE", "RETIRED") and version not in self.known.judging:
                mine = self.world.at_ms if version in self.staged else since_ms
                self.known.judging[version] = max(mine, since_ms)
        self.see_new_awards()
        for version, state, _, reason in states:
            if state == "REJECTED":
                if self.known.judging.pop(version, None) is not None:
                    self.known.taken_back.add(version)
                assert reason in {"SUPERSEDED", *self.why_rules_go()}

    def why_rules_go(self) -> set[str]:
        reasons = {"AWARD_MISMATCH": self.hq_disagreed, "CRASH_LOOP": self.crashed}
        return {reason for reason, may_be in reasons.items() if may_be}

    def hear_of_members(self, members: dict[str, Elsewhere], *, behind: int = 0, swept: bool = False) -> None:
        """A snapshot that has our ledger but for its last entries; `swept`: without what has lapsed."""
        [(tip,)] = self.world.rows("SELECT coalesce(max(seq), 0) FROM ledger_entry")
        seq = max(0, tip - behind)
        lapsed_through = self.swept_through() if swept else ""
        self.snapshot += 1
        written = [self.word(member, said, seq, lapsed_through) for member, said in members.items()]
        snapshot = {
            "schema": "members/1",
            "station": self.world.site.station,
            "programme": self.world.site.programme,
            "version": self.snapshot,
            "issued_at_ms": self.world.at_ms,
            "lapsed_through": lapsed_through,
            "members": written,
        }
        payload = json.dumps(snapshot).encode()
        adopted = self.world.run(lambda tx, at: adopt_members(payload, tx, self.world.site, at))
        assert adopted.reason == "", adopted
        self.do_chores()

    def word(self, member: str, elsewhere: Elsewhere, seq: int, lapsed_through: str) -> dict[str, object]:
        """One member as HQ writes them now, and noted as the last that was said of them."""
        tier, card = MEMBERS[member]
        self.known.words[member], written = word_of_hq(member, elsewhere, seq, lapsed_through, self.world)
        self.known.as_of_ms[member] = self.world.at_ms
        return written | {"tier": tier, "credentials": [self.world.hash(card)]}

    def hear_of_one(self, member: str, elsewhere: Elsewhere, *, behind: int, swept: bool) -> None:
        """A delta; what is known of the others stays as it is."""
        [(tip,)] = self.world.rows("SELECT coalesce(max(seq), 0) FROM ledger_entry")
        [(base,)] = self.world.rows("SELECT max(version) FROM snapshot")
        lapsed_through = self.swept_through() if swept else ""
        self.snapshot += 1
        delta = {
            "base": base,
            "version": self.snapshot,
            "issued_at_ms": self.world.at_ms,
            "lapsed_through": lapsed_through,
            "members": [self.word(member, elsewhere, max(0, tip - behind), lapsed_through)],
        }
        assert order(self.world, "member.delta", delta) == ""
        self.do_chores()

    def swept_through(self) -> str:
        """Yesterday; but HQ leaves in what it was told is honoured here."""
        today = day_of(self.world.at_ms)
        left_in = self.world.rows(_HONOURED, today.isoformat(), today.isoformat())
        last = min([date.fromisoformat(day) for (day,) in left_in] + [today]) - timedelta(days=1)
        return last.isoformat()

    def books(self) -> list[object]:
        tables = ("fact", "binding", "award", "lot", "lot_move", "refund", "usage", "daily_close", "pos_sale")
        tables += ("adjustment", "down_item")
        chains = ("ledger_entry", "posting", "account", "outbox WHERE stream = 'ledger'")
        return [self.world.rows(f"SELECT * FROM {table}") for table in tables + chains]

    # What holds after every step.

    @invariant()
    def everything_holds(self) -> None:
        self.everything_the_tables_promise_each_other()
        self.every_fact_once()
        self.at_most_one_award_for_a_fact_and_none_without_a_member()
        self.ledger_and_caches()
        self.outbox_without_a_gap()
        self.see_rules()
        self.a_frozen_member_earns()
        self.lots_hold_what_was_awarded_and_not_taken_back_or_lapsed()
        self.every_close_balances()
        if self.world.quality is not ClockQuality.UNTRUSTED:
            self.lots_live_to_their_last_day_and_no_longer()
            self.what_is_shown_is_what_there_is()

    def everything_the_tables_promise_each_other(self) -> None:
        assert verify(self.world.store._connection, heads=self.world._safe._file) == []

    def every_fact_once(self) -> None:
        [(facts,)] = self.world.rows("SELECT count(*) FROM fact WHERE kind = 'fuelling'")
        assert facts == len(self.known.records)

    def at_most_one_award_for_a_fact_and_none_without_a_member(self) -> None:
        [(awards, facts)] = self.world.rows("SELECT count(*), count(DISTINCT fact_id) FROM award")
        assert awards == facts
        claims = self.world.rows(_CLAIMED_AND_AWARDED)
        assert claims == []

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

    def outbox_without_a_gap(self) -> None:
        found = self.world.rows("SELECT seq, body, head FROM outbox WHERE stream = 'ledger' ORDER BY seq")
        for (before, _, head), (seq, body, next_) in pairwise(found):
            assert seq == before + 1
            assert next_ == next_head(bytes(head), bytes(body))
        [(acked,)] = self.world.rows("SELECT coalesce(max(seq), 0) FROM watermark WHERE stream = 'ledger'")
        if found:
            assert found[0][0] <= max(1, acked)

    def see_new_awards(self) -> None:
        """I22: by the rules of their time. I8: within the cap of the day, and what was known to be used is
        what was awarded here and what HQ said of elsewhere."""
        awards = self.world.rows(_AWARDS, self.known.judged)
        for stream_seq, member, version, inputs, minor, event_time_ms in awards:
            assert version == self.known.version_for(event_time_ms)
            business_date = day_of(event_time_ms).isoformat()
            used = AwardInputs.model_validate_json(inputs).usage
            assert business_date_of(inputs) == business_date
            for period, known_minor in (
                (business_date, used.day_minor),
                (business_date[:7], used.month_minor),
            ):
                here = self.awarded_before(member, period, stream_seq)
                assert known_minor == here + self.known.words[member].usage_elsewhere.get(period, 0)
            assert minor <= max(0, self.caps_minor[version] - used.day_minor)
            self.known.judged = stream_seq

    def awarded_before(self, member: str, period: str, stream_seq: int) -> int:
        found = self.world.rows(_AWARDED_BEFORE, member, stream_seq)
        return sum(minor for inputs, minor in found if business_date_of(inputs).startswith(period))

    def a_frozen_member_earns(self) -> None:
        assert self.world.rows("SELECT 1 FROM binding WHERE reason LIKE '%FROZEN%'") == []

    def lots_hold_what_was_awarded_and_not_taken_back_or_lapsed(self) -> None:
        for member in MEMBERS:
            [(awarded_minor,)] = self.world.rows(_SUM_OF_AWARDS, member, member)
            [(returned_minor,)] = self.world.rows(_RETURNED, member)
            [(held_minor,)] = self.world.rows(_HELD, member, f"member:{member}:debt", member)
            assert awarded_minor - returned_minor == held_minor

    def lots_live_to_their_last_day_and_no_longer(self) -> None:
        """With the pauses of the newest rules at least, and of none but rules that were in force once."""
        today = day_of(self.world.at_ms)
        newest = self.pauses[max(self.known.judging)]
        counted = [self.pauses[version] for version in {*self.known.judging, *self.known.taken_back}]
        for state, earned_on, term_ends_on, lapses_on, spendable_at_ms in self.world.rows(_LOTS):
            if not term_ends_on:
                assert (lapses_on, state) in {("", state) for state in ("active", "exhausted")}
            elif state in ("pending", "active"):
                term = date.fromisoformat(earned_on), date.fromisoformat(term_ends_on)
                assert lapses_on in {last_day(*term, pauses).isoformat() for pauses in counted}
                assert lapses_on >= last_day(*term, newest).isoformat()
                assert self.known.counts(lapses_on, today)
                assert (state == "pending") == (spendable_at_ms > self.world.at_ms)
            elif state == "expired":
                assert lapses_on < today.isoformat()

    def what_is_shown_is_what_there_is(self) -> None:
        """I20, I25: nothing twice, nothing lost; provisional while HQ does not have all of it."""
        for member, word in self.known.words.items():
            today = day_of(self.world.at_ms).isoformat()
            shown = self.world.run(lambda tx, at: tx.members.balance(member, today))  # noqa: B023
            assert shown is not None
            assert shown.minor == self.known.shown_minor(member, self.world), member
            since = self.world.rows(_POSTED_SINCE, f"member:{member}:%", word.included_seq)
            assert (shown.as_of_ms, shown.provisional) == (self.known.as_of_ms[member], bool(since))

    def every_close_balances(self) -> None:
        """What members held, and what came and went, is what they hold; and the days follow each other."""
        held_minor, next_seq, next_day = 0, 1, None
        for day, first_seq, last_seq, figures in self.world.rows(_CLOSES):
            found = json.loads(figures)
            held_minor += found["issued_minor"] - found["redeemed_minor"] - found["expired_minor"]
            held_minor += found["goodwill_minor"]
            parts = (found[f"{name}_minor"] for name in ("pending", "active", "held", "debt"))
            assert sum(parts) == held_minor
            assert sum(minor for _, minor in found["outstanding"]) == held_minor - found["debt_minor"]
            assert (first_seq, day) == (next_seq, next_day or day)
            next_seq, next_day = last_seq + 1, (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        if next_day and self.world.quality is not ClockQuality.UNTRUSTED:
            assert next_day == day_of(self.world.at_ms).isoformat()


_DUE_ENTRIES = """
SELECT kind, count(*) FROM outbox WHERE kind IN ('lot.expired', 'lot.activated', 'daily.close') GROUP BY kind
"""
_STATES = "SELECT version, state, coalesce(in_force_from_ms, effective_from_ms), reason FROM bundle"
_HONOURED = """
SELECT lapses_on FROM lot WHERE remaining_minor > 0 AND lapses_on < ? AND lapses_on <> ''
UNION SELECT lapses_on FROM bucket WHERE honoured_until >= ?
"""
_AWARDS = """
SELECT award.stream_seq, award.member, version, inputs, minor, event_time_ms
FROM award JOIN fact USING (fact_id) WHERE award.stream_seq > ? ORDER BY award.stream_seq
"""
_AWARDED_BEFORE = "SELECT inputs, minor FROM award WHERE member = ? AND stream_seq < ?"
_SUM_OF_AWARDS = """
SELECT (SELECT coalesce(sum(minor), 0) FROM award WHERE member = ?)
     + (SELECT coalesce(sum(minor), 0) FROM adjustment WHERE member = ?)
"""
_RETURNED = (
    "SELECT coalesce(sum(refund.minor), 0) FROM refund JOIN award USING (fact_id) WHERE award.member = ?"
)
_HELD = """
SELECT (SELECT coalesce(sum(remaining_minor + lapsed_minor), 0) FROM lot WHERE member = ?)
     + (SELECT coalesce(sum(minor), 0) FROM posting WHERE account = ?)
     - (SELECT coalesce(sum(lot_move.minor), 0) FROM lot_move JOIN lot USING (lot_id)
        JOIN ledger_entry USING (seq) WHERE member = ? AND kind = 'redemption')
"""
_LOTS = "SELECT state, earned_on, term_ends_on, lapses_on, spendable_at_ms FROM lot"
_POSTED_SINCE = "SELECT 1 FROM posting WHERE account LIKE ? AND seq > ? LIMIT 1"
_CLOSES = "SELECT business_date, first_seq, last_seq, figures FROM daily_close ORDER BY business_date"
_CLAIMED_AND_AWARDED = """
SELECT 1 FROM binding JOIN award USING (fact_id)
WHERE binding.reason = 'MEMBER_UNKNOWN' OR binding.member = ''
"""


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
