"""Integration: do the table families keep what they are given, and take back what a failed verb wrote?"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import Instant
from agent.points.inputs import AwardInputs, Line, Local
from agent.points.ledger import award_postings, expiry_postings, redemption_postings
from agent.points.rules import Bundle, parse_bundle
from agent.store import tracing
from agent.store.awards import StoredAward, Used, counted, periods
from agent.store.bundles import GuardFigures, Rollout, ShadowFigures, StoredBundle
from agent.store.closes import Close, Movements
from agent.store.database import Store, Transaction
from agent.store.facts import Fact
from agent.store.integrity import verify
from agent.store.lots import StoredLot
from agent.store.members import Bucket, KnownMember, Member
from agent.store.outbox import LEDGER, OutboxReader, Watermark
from agent.store.runs import Run
from sync.chain import next_head
from tests.integration.agent.station_history import rules
from tests.integration.agent.tills import AT_MS

AT = Instant(AT_MS)
TODAY = "2026-07-08"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "station.db", "station-0042", "demo-cn", AT)) as found:
        yield found


@pytest.fixture
def tx(store: Store) -> Iterator[Transaction]:
    with store.transaction() as found:
        yield found


def inputs(volume_ml: int = 50_000) -> AwardInputs:
    return AwardInputs(
        lines=(Line(product="petrol-92", volume_ml=volume_ml, amount_fen=39_250),),
        tender="cash",
        tier="basic",
        evidence="metered",
        time_quality="seen",
        local=Local(business_date=TODAY, weekday=3, minute_of_day=600),
    )


def earn(
    tx: Transaction, number: int, minor: int = 100, member: str = "m", lapses_on: str = "2026-08-07"
) -> StoredLot:
    """A fact, its award, lot and entry, and what it counts as used; the ids are `number` over and over."""
    identity, member = bytes([number]) * 16, "m"
    tx.facts.add(
        Fact(
            *(identity, "fuelling", "1", "cbc", "08", "petrol-92", 1, number, 50_000, 39_250, 7_850, 1, 0),
            *("metered", AT_MS, "seen", "SYNCED", "", "", "", "", AT_MS, number),
        )
    )
    sold = inputs()
    text = sold.model_dump_json(exclude_defaults=True)
    tx.awards.add(StoredAward(identity, identity, member, "b", 1, minor, "", text, "{}", AT_MS, number))
    lot = StoredLot(*(identity, member, minor, minor, 0, "active", TODAY, AT_MS, lapses_on, lapses_on, "", 3))
    if minor:
        tx.lots.open(lot, tx.ledger.post("award", identity, award_postings(member, minor), AT_MS))
    for period in periods(sold):
        used = counted(sold, minor, "")
        tx.awards.use(
            *(member, period),
            minor=used.minor,
            fills=used.fills,
            volume_ml=used.volume_ml,
            amount_fen=used.amount_fen,
        )
    return lot


def lapse(tx: Transaction, lot: StoredLot) -> None:
    seq = tx.ledger.post("expiry", lot.lot_id, expiry_postings(lot.member, lot.minor), AT_MS)
    tx.lots.moved(lot.lot_id, seq, -lot.minor)


def spend(tx: Transaction, lot: StoredLot, minor: int) -> None:
    seq = tx.ledger.post("redemption", lot.lot_id, redemption_postings(lot.member, minor), AT_MS)
    tx.lots.moved(lot.lot_id, seq, -minor)


def known(
    balance_minor: int = 0,
    included_seq: int = 0,
    *,
    member: str = "m",
    status: str = "ACTIVE",
    lapsed_through: str = "",
    buckets: tuple[Bucket, ...] = (),
    usage: tuple[tuple[str, Used], ...] = (),
    included_epoch: int = 1,
) -> KnownMember:
    row = Member(
        *(member, status, "basic", "", "", None, balance_minor, included_seq, 1, lapsed_through, AT_MS)
    )
    return KnownMember(row, (f"k1:{member}",), buckets, usage, included_epoch)


def adopt(tx: Transaction, *members: KnownMember, version: int = 1) -> None:
    tx.members.replace_all(version, bytes(32), members, AT_MS)


def shown(tx: Transaction, today: str = TODAY, member: str = "m") -> int:
    balance = tx.members.balance(member, today)
    assert balance is not None
    return balance.minor


class TestBalance:
    """I20: HQ's balance, what we booked since, and every lapse once."""

    def test_only_what_came_after_the_watermark_is_added(self, tx: Transaction) -> None:
        earn(tx, 1)
        earn(tx, 2, 30)
        adopt(tx, known(1_000, 1))
        assert shown(tx) == 1_030
        adopt(tx, known(1_030, 2), version=2)
        assert shown(tx) == 1_030

    def test_provisional_is_what_hq_has_not_seen(self, tx: Transaction) -> None:
        adopt(tx, known(1_000))
        balance = tx.members.balance("m", TODAY)
        assert balance is not None
        assert not balance.provisional
        earn(tx, 1)
        balance = tx.members.balance("m", TODAY)
        assert balance is not None
        assert balance.provisional

    def test_a_bucket_lapses_the_day_after_its_last(self, tx: Transaction) -> None:
        adopt(tx, known(1_000, buckets=(Bucket("2026-07-31", 400), Bucket("", 600))))
        assert [shown(tx, day) for day in ("2026-07-31", "2026-08-01")] == [1_000, 600]

    def test_a_bucket_that_hq_took_out_already_is_not_taken_again(self, tx: Transaction) -> None:
        adopt(tx, known(600, lapsed_through="2026-07-31", buckets=(Bucket("2026-07-31", 400),)))
        assert shown(tx, "2026-08-05") == 600

    def test_an_honoured_bucket_counts_until_then_and_over_a_new_snapshot(self, tx: Transaction) -> None:
        member = known(1_000, buckets=(Bucket("2026-07-31", 400),))
        adopt(tx, member)
        tx.members.honour("m", "2026-07-31", "2026-08-03")
        adopt(tx, member, version=2)
        assert [shown(tx, day) for day in ("2026-08-03", "2026-08-04")] == [1_000, 600]
        assert tx.members.buckets("m") == [Bucket("2026-07-31", 400, "2026-08-03")]

    def test_a_lot_in_hqs_bucket_does_not_lapse_twice(self, tx: Transaction) -> None:
        lot = earn(tx, 1)
        adopt(tx, known(100, 1, buckets=(Bucket("2026-08-07", 100),)))
        lapse(tx, lot)
        assert [shown(tx, day) for day in ("2026-08-07", "2026-08-08")] == [100, 0]

    def test_a_lot_that_hq_has_not_seen_lapses_by_our_entry(self, tx: Transaction) -> None:
        adopt(tx, known(500))
        lot = earn(tx, 1)
        assert shown(tx) == 600
        lapse(tx, lot)
        assert shown(tx, "2026-08-08") == 500

    def test_what_was_spent_of_a_bucket_does_not_lapse_with_it(self, tx: Transaction) -> None:
        lot = earn(tx, 1)
        adopt(tx, known(100, 1, buckets=(Bucket("2026-08-07", 100),)))
        spend(tx, lot, 70)
        assert [shown(tx, day) for day in ("2026-08-07", "2026-08-08")] == [30, 0]

    def test_entries_of_another_incarnation_are_not_taken_for_ours(self, tx: Transaction) -> None:
        earn(tx, 1)
        earn(tx, 2)
        tx.forks.raise_epoch(AT_MS)  # what HQ has as 3 of epoch 1 is not in this file
        earn(tx, 3, 30)
        adopt(tx, known(1_000, 3, included_epoch=1))
        assert shown(tx) == 1_030
        adopt(tx, known(1_000, 3, included_epoch=2), version=2)
        assert shown(tx) == 1_000

    def test_nobody_has_no_balance(self, tx: Transaction) -> None:
        assert tx.members.balance("m", TODAY) is None


class TestUsage:
    def test_elsewhere_is_hqs_figure_without_ours(self, tx: Transaction) -> None:
        earn(tx, 1)
        earn(tx, 2, 30)
        everywhere = Used(1_100, 3, 150_000, 117_750)
        adopt(tx, known(0, 1, usage=((TODAY, everywhere),)))
        assert tx.awards.used("m", TODAY) == everywhere + Used(30, 1, 50_000, 39_250)
        adopt(tx, known(0, 2, usage=((TODAY, everywhere),)), version=2)
        assert tx.awards.used("m", TODAY) == everywhere

    def test_an_award_without_points_counts_once(self, tx: Transaction) -> None:
        """It has no ledger entry, and is a fill all the same."""
        earn(tx, 1)
        earn(tx, 2, 0)
        earn(tx, 3)
        everywhere = Used(100, 2, 100_000, 78_500)
        adopt(tx, known(0, 1, usage=((TODAY, everywhere),)))
        assert tx.awards.used("m", TODAY) == everywhere + Used(100, 1, 50_000, 39_250)

    def test_hq_that_knows_nothing_of_us_adds_everything(self, tx: Transaction) -> None:
        earn(tx, 1, 0)
        earn(tx, 2)
        adopt(tx, known(0, 0, usage=(("2026-07", Used(500, 1, 10_000, 5_000)),)))
        assert tx.awards.used("m", "2026-07") == Used(600, 3, 110_000, 83_500)

    def test_it_is_never_below_ours(self, tx: Transaction) -> None:
        earn(tx, 1)
        adopt(tx, known(0, 1, usage=((TODAY, Used()),)))
        assert tx.awards.used("m", TODAY) == Used(100, 1, 50_000, 39_250)

    def test_a_refused_award_is_no_fill(self) -> None:
        assert counted(inputs(), 0, "TENDER_EXCLUDED") == Used()
        assert counted(inputs(volume_ml=0), 5, "") == Used(5, 0, 0, 39_250)


def test_a_delta_keeps_what_was_honoured_and_leaves_the_others(tx: Transaction) -> None:
    bucket = Bucket("2026-08-07", 100)
    adopt(tx, known(100, buckets=(bucket,)), known(member="n"), known(member="o"))
    tx.members.honour("m", "2026-08-07", "2026-08-11")
    changed = known(150, member="m", buckets=(bucket,))
    tx.members.replace_some(2, 1, bytes(32), (changed,), ("o",), AT_MS)
    assert tx.members.buckets("m") == [Bucket("2026-08-07", 100, "2026-08-11")]
    assert sorted(tx.members.all()) == ["m", "n"]
    assert (tx.members.owner("k1:m"), tx.members.owner("k1:o")) == ("m", None)
    assert tx.members.latest_snapshot() == (2, bytes(32))


class TestLots:
    def test_moves_and_changes(self, tx: Transaction) -> None:
        lot = earn(tx, 1)
        spend(tx, lot, 40)
        changed = lot.after(lot.as_lot())
        assert changed == lot
        tx.lots.change(replace(lot, remaining_minor=60))
        found = tx.lots.of(lot.lot_id)
        assert found is not None
        assert found.remaining_minor == 60
        moves = tx.lots._connection.execute("SELECT lot_id, seq, minor FROM lot_move ORDER BY seq")
        assert moves.fetchall() == [(lot.lot_id, 1, 100), (lot.lot_id, 2, -40)]

    def test_which_are_due(self, tx: Transaction) -> None:
        early = earn(tx, 1, lapses_on="2026-07-31")
        earn(tx, 2, lapses_on="")
        honoured = earn(tx, 3, lapses_on="2026-07-31")
        tx.lots.change(
            StoredLot(
                *(getattr(honoured, n) if n != "honoured_until" else "2026-08-03" for n in honoured.__slots__)
            )
        )
        due = [
            [lot.lot_id for lot in tx.lots.due_to_lapse(day, 9)]
            for day in ("2026-07-31", "2026-08-01", "2026-08-04")
        ]
        assert due == [[], [early.lot_id], [early.lot_id, honoured.lot_id]]
        assert len(tx.lots.due_to_lapse("2026-08-04", 1)) == 1
        assert [lot.lot_id[0] for lot in tx.lots.alive()] == [1, 2, 3]
        assert [lot.lot_id[0] for lot in tx.lots.of_member("m", with_rest=False)] == [1, 2, 3]

    def test_they_are_traced(self, store: Store, tx: Transaction) -> None:
        lot = earn(tx, 1)
        lapse(tx, lot)
        [traced] = tracing.trace(store._connection, "m")
        assert [(move.kind, move.minor) for move in traced.moves] == [("award", 100), ("expiry", -100)]
        assert tracing.fact_with_code(store._connection, (bytes([1]) * 16, bytes([1]) * 16)) == [lot.lot_id]


class TestBundles:
    @staticmethod
    def add(tx: Transaction, version: int) -> Bundle:
        parsed = parse_bundle(rules(version))
        assert isinstance(parsed, Bundle)
        tx.bundles.add(
            StoredBundle(
                *(parsed.bundle, version, bytes(32), parsed.effective_from_ms, rules(version)),
                *(AT_MS, "VERIFIED", AT_MS),
            )
        )
        return parsed

    def versions(self, tx: Transaction, *at_ms: int) -> list[int | None]:
        return [bundle.version if (bundle := tx.bundles.in_force(at)) else None for at in at_ms]

    def test_who_judges_when(self, tx: Transaction) -> None:
        for version in (1, 2, 3):
            self.add(tx, version)
        assert self.versions(tx, AT_MS) == [None]
        tx.bundles.move(1, "ACTIVE", AT_MS, in_force_from_ms=AT_MS)
        assert self.versions(tx, AT_MS - 1, AT_MS) == [None, 1]
        tx.bundles.move(1, "RETIRED", AT_MS + 5)
        tx.bundles.move(2, "ACTIVE", AT_MS + 5, in_force_from_ms=AT_MS + 10)
        assert self.versions(tx, AT_MS + 9, AT_MS + 10) == [1, 2]
        tx.bundles.move(2, "RETIRED", AT_MS + 20)
        tx.bundles.move(3, "ACTIVE", AT_MS + 20, in_force_from_ms=AT_MS + 20)
        tx.bundles.move(3, "REJECTED", AT_MS + 30, "CRASH_LOOP")
        good = tx.bundles.previous_good()
        assert good is not None
        tx.bundles.move(good.version, "ACTIVE", AT_MS + 30)
        assert self.versions(tx, AT_MS, AT_MS + 10, AT_MS + 25) == [1, 2, 2]
        active = tx.bundles.active()
        assert active is not None
        assert (active.version, active.activated_at_ms, active.in_force_from_ms) == (2, AT_MS + 5, AT_MS + 10)

    def test_the_candidate_is_the_newest_that_waits(self, tx: Transaction) -> None:
        assert tx.bundles.candidate() is None
        self.add(tx, 1)
        self.add(tx, 2)
        found = tx.bundles.candidate()
        assert found is not None
        assert found.version == 2
        tx.bundles.move(2, "REJECTED", AT_MS, "SUPERSEDED")
        found = tx.bundles.candidate()
        assert found is not None
        assert found.version == 1

    def test_what_was_taken_back_does_not_judge(self, store: Store) -> None:
        with store.transaction() as tx:
            self.add(tx, 1)
        with store.transaction() as tx:
            with pytest.raises(ZeroDivisionError), store.savepoint():
                self.activate_and_fail(tx)
            assert self.versions(tx, AT_MS) == [None]

    def activate_and_fail(self, tx: Transaction) -> None:
        tx.bundles.move(1, "ACTIVE", AT_MS, in_force_from_ms=0)
        assert self.versions(tx, AT_MS) == [1]
        raise ZeroDivisionError

    def test_parsed_once(self, tx: Transaction) -> None:
        self.add(tx, 1)
        assert tx.bundles.parsed(1) is tx.bundles.parsed(1)

    def test_figures_and_rollouts(self, tx: Transaction) -> None:
        assert (tx.bundles.shadow(1), tx.bundles.guard(1)) == (ShadowFigures(), GuardFigures())
        tx.bundles.count_shadow(1, more=1, fewer=0, active_minor=100, candidate_minor=120)
        tx.bundles.count_shadow(1, more=0, fewer=0, active_minor=50, candidate_minor=50)
        assert tx.bundles.shadow(1) == ShadowFigures(2, 1, 0, 150, 170)
        tx.bundles.count_guard(1, sales=2, declined=1)
        tx.bundles.count_guard(1, crashes=1)
        assert tx.bundles.guard(1) == GuardFigures(2, 1, 0, 1)
        assert tx.bundles.newest_rollout() is None
        tx.bundles.add_rollout(Rollout(1, "summer", 43, 5, False, AT_MS))
        tx.bundles.add_rollout(Rollout(2, "summer", 43, 20, False, AT_MS))
        found = tx.bundles.newest_rollout()
        assert found is not None
        assert (found.serial, found.percent) == (2, 20)


class TestCloses:
    def test_figures_of_a_range_and_holdings_at_its_end(self, tx: Transaction) -> None:
        lot = earn(tx, 1)
        spend(tx, lot, 40)
        earn(tx, 2, 30)
        adopt(tx, known(status="FROZEN"))
        assert tx.closes.figures(1, 2) == Movements(issued_minor=100, redeemed_minor=40)
        assert tx.closes.figures(3, 3) == Movements(issued_minor=30)
        tx.lots.change(replace(lot, remaining_minor=60))
        before, now = tx.closes.holdings(2), tx.closes.holdings(3)
        assert (before.active_minor, before.frozen_minor, before.outstanding) == (60, 60, ((3, 60),))
        assert (now.active_minor, now.frozen_minor, now.outstanding) == (90, 90, ((3, 90),))
        close = Close(TODAY, 1, 2, tx.closes.head_at(2), tx.closes.figures(1, 2), before, AT_MS)
        tx.closes.add(close)
        assert tx.closes.latest() == close

    def test_the_last_entry_before_a_time(self, tx: Transaction) -> None:
        assert tx.closes.last_seq_before(AT_MS) == 0
        earn(tx, 1)
        assert [tx.closes.last_seq_before(at_ms) for at_ms in (AT_MS, AT_MS + 1)] == [0, 1]


def test_forks_name_where_each_chain_parts(store: Store) -> None:
    with store.transaction() as tx:
        tx.outbox.put(LEDGER, "adopted", b"1", AT_MS)
        seq = tx.outbox.put(LEDGER, "adopted", b"2", AT_MS)
        head = tx.outbox.head_at(LEDGER, 1)
        assert head is not None
        tx.outbox.raise_watermark(LEDGER, Watermark(1, head, AT_MS))
    reader = OutboxReader(store._connection)
    assert (seq, reader.epoch(), reader.forks()) == (2, 1, {})
    with store.transaction() as tx:
        assert tx.forks.raise_epoch(AT_MS, beyond=6) == 7
    assert (store.epoch, reader.epoch(), reader.forks()) == (7, 7, {LEDGER: (1, head)})
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        _raise_epoch_and_fail(tx)
    assert store.epoch == 7


def test_a_stream_that_hq_knows_better_goes_on_after_what_hq_has(store: Store) -> None:
    with store.transaction() as tx:
        for body in (b"1", b"2", b"3"):
            seq = tx.outbox.put(LEDGER, "adopted", body, AT_MS)
        head = tx.outbox.head_at(LEDGER, seq)
        assert head is not None
        tx.outbox.raise_watermark(LEDGER, Watermark(seq, head, AT_MS))
    store._connection.execute("DELETE FROM outbox WHERE seq > 1")
    assert "WATERMARK" in {finding.code for finding in verify(store._connection)}
    with store.transaction() as tx:
        tx.forks.raise_epoch(AT_MS)
        tx.outbox.forget()
        assert tx.outbox.put(LEDGER, "adopted", b"4", AT_MS) == 4
        assert tx.outbox.head_at(LEDGER, 4) == next_head(head, b"4")
    assert verify(store._connection) == []


def _raise_epoch_and_fail(tx: Transaction) -> None:
    tx.forks.raise_epoch(AT_MS)
    raise ZeroDivisionError


def test_whether_the_last_run_ended(tx: Transaction) -> None:
    assert tx.runs.latest() is None
    run_id = tx.runs.begin(1, "boot")
    assert tx.runs.latest() == Run(run_id, 1, None, "boot")
    tx.runs.end(run_id, 2)
    assert tx.runs.latest() == Run(run_id, 1, 2, "boot")


def test_dark_spells(tx: Transaction) -> None:
    tx.darkness.end(5)
    assert not tx.darkness.is_dark()
    tx.darkness.begin(10)
    tx.darkness.begin(11)
    assert tx.darkness.is_dark()
    assert tx.darkness.spells(0) == [(10, None)]
    tx.darkness.end(20)
    tx.darkness.begin(30)
    assert tx.darkness.spells(20) == [(10, 20), (30, None)]
    assert tx.darkness.spells(21) == [(30, None)]


def test_notices_and_reminders_are_shown_once(tx: Transaction) -> None:
    tx.notices.add("m", "POINTS_LAPSED", 100, AT_MS)
    tx.notices.add("n", "MEMBER_FROZEN", 0, AT_MS)
    [notice] = tx.notices.waiting("m")
    assert (notice.code, notice.minor) == ("POINTS_LAPSED", 100)
    tx.notices.shown(notice.notice_id, AT_MS)
    assert tx.notices.waiting("m") == []
    assert not tx.notices.was_reminded("m", "2026-08-07", 30)
    tx.notices.remind("m", "2026-08-07", 30, AT_MS)
    assert tx.notices.was_reminded("m", "2026-08-07", 30)
    assert not tx.notices.was_reminded("m", "2026-08-07", 15)
