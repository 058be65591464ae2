"""Unit: is every record booked once, odd or not, with the evidence and the time it deserves?"""

import json
from dataclasses import replace

import pytest

from agent.handlers.site import Limits
from agent.messages import ids
from drivers.events import Credential, CredentialKind, DeviceTime, Fuelling, Outcome, RawDigits
from tests.unit.agent.stations import DISPLAY_LINE, last_sale
from tests.world import GOLD, World


def test_a_fuelling_becomes_a_fact_and_an_item_of_the_ledger_stream(world: World) -> None:
    record = world.fuelling(50_000, device_time=DeviceTime(None, 7, 8, 10, 0), credential=GOLD)
    answer = world.book(record).answer
    fact = world.newest_fact()
    assert (answer.outcome, answer.durable, answer.points_minor) == (Outcome.DONE, True, None)
    assert (fact.point, fact.device_key, fact.nozzle, fact.product) == ("1", "cbc", "08", "petrol-92")
    assert (fact.volume_ml, fact.amount_fen, fact.unit_price_milli) == (50_000, 39_250, 7_850)
    assert (fact.totalizer_after_ml, fact.sequence_no, fact.device_epoch) == (1_050_000, 1, 1)
    assert (fact.event_time_ms, fact.time_quality, fact.clock_quality) == (world.at_ms, "seen", "SYNCED")
    assert (fact.device_time, fact.flags, fact.credential) == ("-----07-08 10:00", "", world.hash(GOLD))
    [(body,)] = world.rows("SELECT body FROM outbox WHERE stream = 'ledger' AND seq = ?", fact.stream_seq)
    item = json.loads(str(body, "utf-8"))
    assert (item["kind"], item["id"], item["volume_ml"]) == ("fuelling", answer.fact_id, 50_000)
    assert (item["event_ms"], "booked_late_ms" in item) == (world.at_ms, False)


def test_heard_again_it_is_the_same_fact(world: World) -> None:
    record = world.fuelling()
    first = world.book(record).answer
    world.wait(86_400)
    again = world.book(record, ended_ago_ms=None).answer
    assert (again.outcome, again.durable, again.fact_id) == (Outcome.REPEATED, True, first.fact_id)
    assert world.count("fact") == 1
    assert world.rows("SELECT count(*) FROM outbox WHERE stream = 'ledger'") == [(1,)]


def test_two_sales_in_one_millisecond_are_two_facts(world: World) -> None:
    world.fuel(20_000)
    world.fuel(20_000)
    assert world.count("fact") == 2


def test_an_older_numbered_record_read_again_is_known(world: World) -> None:
    """A class A device may be read from further back: its totalizer then goes back too."""
    old, *_ = [world.fuel() for _ in range(3)]
    assert world.book(old, ended_ago_ms=None).answer.outcome is Outcome.REPEATED
    assert world.count("fact") == 3
    world.fuel()
    assert (world.newest_fact().device_epoch, world.newest_fact().missed_ml) == (1, 0)


def test_a_numbered_record_from_before_a_reset_read_again_is_known(world: World) -> None:
    """The reset meter has meanwhile passed the old record's reading: it looks like one more reset."""
    old = world.fuel(20_000)
    world.fuel(600_000)
    world.totalizer_ml["08"] = 0
    world.fuel(500_000)
    world.fuel(600_000)
    assert world.newest_fact().device_epoch == 2
    assert world.book(old, ended_ago_ms=None).answer.outcome is Outcome.REPEATED
    assert world.count("fact") == 4


def test_a_reset_totalizer_starts_a_new_incarnation(world: World) -> None:
    world.fuel()
    world.totalizer_ml["08"] = 0
    world.fuel()
    assert (world.newest_fact().device_epoch, world.newest_fact().evidence) == (2, "recorded")
    world.fuel()
    assert (world.newest_fact().device_epoch, world.newest_fact().evidence) == (2, "metered")


def test_the_same_digits_after_a_reset_are_another_fuelling(world: World) -> None:
    """Unnumbered and with every digit alike: only the incarnation tells the two apart."""
    first = last_sale(50_000, 50_000)
    world.book(first, DISPLAY_LINE)
    world.book(last_sale(50_000, 100_000), DISPLAY_LINE)
    assert world.book(first, DISPLAY_LINE).answer.outcome is Outcome.DONE
    assert [row for (row,) in world.rows("SELECT device_epoch FROM fact ORDER BY stream_seq")] == [1, 1, 2]


def test_a_totalizer_that_wraps_stays_in_its_incarnation(world: World) -> None:
    modulus_ml = 10_000_000
    world.totalizer_ml["08"] = modulus_ml - 80_000
    world.fuel(50_000, totalizer_modulus_ml=modulus_ml)
    wrapped = world.fuelling(50_000, totalizer_modulus_ml=modulus_ml, totalizer_after_ml=20_000)
    world.book(wrapped)
    fact = world.newest_fact()
    assert (fact.device_epoch, fact.evidence, fact.missed_ml) == (1, "metered", 0)


def test_a_display_that_still_shows_its_last_sale_after_our_restart(world: World) -> None:
    """Class B: nothing new was sold; reading it again, not watched, must not be a second sale."""
    shown = last_sale(30_000, 700_000)
    assert world.book(shown, DISPLAY_LINE).answer.outcome is Outcome.DONE
    world.reopen()
    assert world.book(shown, DISPLAY_LINE, ended_ago_ms=None).answer.outcome is Outcome.REPEATED
    assert world.count("fact") == 1


def test_a_display_read_for_the_first_time_has_no_evidence(world: World) -> None:
    world.book(last_sale(30_000, 700_000), DISPLAY_LINE, ended_ago_ms=None)
    assert (world.newest_fact().evidence, world.newest_fact().time_quality) == ("none", "estimated")


def test_the_same_amount_twice_on_a_display_is_two_sales(world: World) -> None:
    world.book(last_sale(30_000, 700_000), DISPLAY_LINE)
    world.book(last_sale(30_000, 730_000), DISPLAY_LINE)
    assert world.count("fact") == 2


def test_litres_that_passed_without_a_record_are_missed(world: World) -> None:
    world.fuel(50_000)
    world.totalizer_ml["08"] += 12_340
    world.fuel(20_000)
    fact = world.newest_fact()
    assert (fact.missed_ml, fact.evidence, fact.flags) == (12_340, "metered", "MISSED_LITRES")
    assert world.alarms() == {("MISSED_LITRES", "cbc/08"): 1}


class TestGaps:
    """Litres that passed while nobody listened: a fact of their own, without points (feature S-165)."""

    def gaps(self, world: World) -> list[tuple[object, ...]]:
        return world.rows(
            "SELECT point, product, volume_ml, amount_fen, totalizer_after_ml, evidence, time_quality, "
            "missed_ml FROM fact WHERE kind = 'gap' ORDER BY stream_seq"
        )

    def items(self, world: World) -> list[dict[str, object]]:
        rows = world.rows("SELECT body FROM outbox WHERE stream = 'ledger' ORDER BY seq")
        return [json.loads(str(body, "utf-8")) for (body,) in rows]

    def miss(self, world: World, missed_ml: int = 12_340) -> Fuelling:
        """A fuelling, litres without a record, and the next fuelling."""
        world.fuel(50_000)
        world.totalizer_ml["08"] += missed_ml
        return world.fuel(20_000)

    def test_they_are_booked_before_the_fuelling_that_shows_them(self, world: World) -> None:
        self.miss(world)
        assert self.gaps(world) == [("1", "petrol-92", 12_340, 0, 1_062_340, "none", "estimated", 0)]
        assert world.newest_fact().missed_ml == 12_340
        *_, before, gap, after = [None, *self.items(world)]
        assert before is not None
        assert [item["kind"] for item in (before, gap, after)] == ["fuelling", "gap", "fuelling"]
        gap_id = ids.gap_id("station-0042", "cbc", "08", 1, before_ml=1_050_000, after_ml=1_062_340)
        assert gap == {
            "kind": "gap",
            "id": ids.text(gap_id),
            "device": "cbc",
            "nozzle": "08",
            "point": "1",
            "product": "petrol-92",
            "volume_ml": 12_340,
            "totalizer_ml": 1_062_340,
            "event_ms": world.at_ms,
        }

    def test_records_and_gaps_together_are_what_the_meter_moved(self, world: World) -> None:
        for missed_ml in (12_340, 0, 10, 500_000, 20):
            self.miss(world, missed_ml)
        [(booked_ml,)] = world.rows("SELECT sum(volume_ml) FROM fact")
        assert world.totalizer_ml["08"] - 1_000_000 - booked_ml == 10  # within the meter's step
        assert [row[2] for row in self.gaps(world)] == [12_340, 500_000, 20]

    def test_within_the_meter_s_step_there_is_none(self, world: World) -> None:
        self.miss(world, 10)
        world.fuel(20_000)
        assert self.gaps(world) == []

    def test_a_counter_that_goes_back_begins_anew_and_books_none(self, world: World) -> None:
        world.fuel(50_000)
        world.totalizer_ml["08"] = 300_000
        world.fuel(20_000)
        assert (world.newest_fact().device_epoch, world.newest_fact().missed_ml) == (2, 0)
        assert self.gaps(world) == []
        world.totalizer_ml["08"] += 5_000
        world.fuel(20_000)
        assert [row[2] for row in self.gaps(world)] == [5_000]

    def test_the_first_record_of_a_meter_books_none(self, world: World) -> None:
        world.fuel(50_000)
        assert self.gaps(world) == []

    def test_heard_again_the_gap_is_the_same(self, world: World) -> None:
        record = self.miss(world)
        world.reopen()
        assert world.book(record, ended_ago_ms=None).answer.outcome is Outcome.REPEATED
        assert len(self.gaps(world)) == 1
        assert [item["kind"] for item in self.items(world)].count("gap") == 1

    def test_two_records_that_show_the_same_gap_book_it_once(self, world: World) -> None:
        """The meter was put back to what it said before: only the record differs."""
        self.miss(world)
        meter = world.rows("SELECT * FROM meter")
        with world.store.transaction() as tx:
            known = tx.meters.get("cbc", "08")
            assert known is not None
            tx.meters.keep(replace(known, totalizer_after_ml=1_050_000))
        world.totalizer_ml["08"] = 1_062_340
        world.fuel(10_000)
        assert world.newest_fact().flags == "MISSED_LITRES"
        assert len(meter) == len(self.gaps(world)) == 1
        assert [item["kind"] for item in self.items(world)].count("gap") == 1

    def test_an_unmapped_nozzle_has_them_too(self, world: World) -> None:
        world.fuel(50_000, "77")
        world.totalizer_ml["77"] += 7_000
        world.fuel(20_000, "77")
        assert self.gaps(world) == [("", "", 7_000, 0, 1_057_000, "none", "estimated", 0)]

    def test_no_payment_ever_finds_one(self, world: World) -> None:
        """Not even one of 0 fen more: it is not offered, cannot be chosen, waits for nothing."""
        world.fuel(50_000)
        world.pay("R-0", 39_250)
        world.totalizer_ml["08"] += 100
        world.present(GOLD)
        world.fuel(100, "08")  # costs 79 fen; the gap before it costs 0
        [(gap_id,)] = world.rows("SELECT fact_id FROM fact WHERE kind = 'gap'")
        near = world.pay("R-1", 1, credential=GOLD)
        assert (near.outcome, near.candidates) == (Outcome.WAITING, ())
        assert world.choose("R-1", ids.text(gap_id)).reason == "NOT_A_CANDIDATE"
        with world.store.transaction() as tx:
            assert gap_id not in {fact.fact_id for fact in tx.facts.unbound_at("1", 0)}
            assert tx.facts.withheld_at("cbc", "08") == []
        assert world.rows("SELECT count(*) FROM binding WHERE fact_id = ?", gap_id) == [(0,)]
        assert world.rows("SELECT count(*) FROM award WHERE fact_id = ?", gap_id) == [(0,)]

    def test_where_the_end_of_the_fuelling_awards_the_gap_gets_nothing(self, world: World) -> None:
        world.site = replace(world.site, award_on_fuelling=frozenset({"1"}))
        world.present(GOLD)
        self.miss(world)
        assert world.rows("SELECT minor FROM award") == [(12_000,)]
        assert world.count("binding") == 2

    def test_a_volume_that_is_read_ten_times_too_small_was_not_missed(self, world: World) -> None:
        world.fuel(50_000)
        record = world.fuelling(50_000)
        world.book(replace(record, volume_ml=5_000, volume_step_ml=1))
        assert world.newest_fact().flags == "MISSED_LITRES ARITHMETIC"
        assert self.gaps(world) == []

    def test_a_price_that_is_wrong_does_not_hide_a_gap(self, world: World) -> None:
        world.fuel(50_000)
        world.totalizer_ml["08"] += 12_340
        world.book(replace(world.fuelling(50_000), unit_price_milli=785))
        assert "ARITHMETIC" in world.newest_fact().flags
        assert [row[2] for row in self.gaps(world)] == [12_340]


def test_a_fill_that_no_vehicle_has_room_for_is_flagged_and_earns(world: World) -> None:
    world.site = replace(world.site, limits=Limits(largest_fill_ml=49_990))
    world.present(GOLD)
    fuelling = world.fuel(50_000)
    assert world.newest_fact().flags == "FILL_TOO_LARGE"
    assert world.alarms() == {("FILL_TOO_LARGE", "cbc/08"): 1}
    assert world.pay("R-1", fuelling.amount_fen).points_minor == 12_000
    world.fuel(49_990)
    assert world.newest_fact().flags == ""


def test_an_unmapped_nozzle_is_booked_and_flagged(world: World) -> None:
    answer = world.book(world.fuelling(nozzle="77")).answer
    fact = world.newest_fact()
    assert (answer.outcome, answer.durable) == (Outcome.DONE, True)
    assert (fact.point, fact.product, fact.flags) == ("", "", "UNMAPPED_NOZZLE")
    assert world.alarms() == {("UNMAPPED_NOZZLE", "cbc/77"): 1}


def test_an_unknown_device_is_booked_under_its_line_and_address(world: World) -> None:
    assert world.book(world.fuelling(), "island-9").answer.durable
    assert (world.newest_fact().device_key, world.newest_fact().flags) == ("island-9:0", "UNMAPPED_NOZZLE")


def test_a_device_moved_to_another_line_keeps_its_facts(world: World) -> None:
    """The configured key is in the id, not the cable: after re-cabling old records are still known."""
    record = world.fuelling()
    world.book(record)
    world.site = replace(world.site, devices={("island-7", "3"): "cbc"})
    assert world.book(replace(record, address="3"), "island-7").answer.outcome is Outcome.REPEATED


def test_odd_flags_of_the_driver_are_kept_and_confirmed(world: World) -> None:
    answer = world.book(world.fuelling(flags=("MEMORY_STATUS",))).answer
    assert (answer.outcome, answer.durable) == (Outcome.DONE, True)
    assert world.newest_fact().flags == "MEMORY_STATUS"
    assert world.alarms() == {("MEMORY_STATUS", "cbc/08"): 1}


def test_arithmetic_outside_the_tolerance_is_booked_flagged_and_earns(world: World) -> None:
    odd = world.fuelling(50_000, amount_fen=30_000)
    world.present(GOLD)
    assert world.book(odd).answer.durable
    assert world.newest_fact().flags == "ARITHMETIC"
    assert world.pay("R-1", 30_000).points_minor == 12_000  # 50 l × 2 × 1.2: the litres are what earns


def test_a_payment_card_as_tag_is_dropped_and_flagged(world: World) -> None:
    pan = Credential(CredentialKind.TAG, "4111111111111111")
    assert world.book(world.fuelling(credential=pan)).answer.durable
    assert (world.newest_fact().credential, world.newest_fact().flags) == ("", "PAYMENT_CARD_REFUSED")


def test_a_meter_that_is_reset_all_the_time_is_looked_back_at_only_so_far(world: World) -> None:
    first = world.fuelling(50_000)
    world.book(first)
    for number in range(40):
        world.book(world.fuelling(1_000, totalizer_after_ml=900_000 - number))
    [(before,)] = world.rows("SELECT device_epoch FROM meter")
    assert before == 41
    assert world.book(world.fuelling(1_000, totalizer_after_ml=100_000)).answer.outcome == "done"
    assert world.count("fact") == 42


class TestWrongScale:
    def wrong(self, world: World) -> Fuelling:
        """A price configured ten times too high, so that every record is off by ten."""
        record = world.fuelling(50_000)
        return replace(record, unit_price_milli=78_500)

    def sell(self, world: World, record: Fuelling, sale: str) -> tuple[str, int | None]:
        world.present(GOLD)
        assert world.book(record).answer.durable
        answer = world.pay(sale, record.amount_fen)
        return answer.reason, answer.points_minor

    def test_the_third_in_a_row_withholds_points_and_raises_an_alarm(self, world: World) -> None:
        sold = [self.sell(world, self.wrong(world), f"R-{number}") for number in range(4)]
        assert sold == [("", 12_000), ("", 12_000), ("WRONG_SCALE", None), ("WRONG_SCALE", None)]
        assert world.count("fact") == 4
        assert world.alarms() == {("ARITHMETIC", "cbc/08"): 4, ("WRONG_SCALE", "cbc/08"): 2}

    def test_a_sound_record_ends_it_and_the_withheld_ones_are_awarded(self, world: World) -> None:
        for number in range(3):
            self.sell(world, self.wrong(world), f"R-{number}")
        assert world.pay("R-2", 39_250).reason == "WRONG_SCALE"
        assert self.sell(world, world.fuelling(50_000), "R-9") == ("", 12_000)
        assert world.pay("R-2", 39_250).points_minor == 12_000
        assert world.count("award") == 4

    def test_a_record_that_is_odd_in_another_way_does_not_end_it(self, world: World) -> None:
        for number in range(3):
            self.sell(world, self.wrong(world), f"R-{number}")
        odd = replace(self.wrong(world), amount_fen=30_000)
        assert self.sell(world, odd, "R-8") == ("WRONG_SCALE", None)
        self.sell(world, world.fuelling(50_000), "R-9")
        assert world.pay("R-2", 39_250).points_minor == 12_000
        assert world.pay("R-8", 30_000).reason == "WRONG_SCALE"

    def test_other_nozzles_go_on_earning(self, world: World) -> None:
        for number in range(3):
            self.sell(world, self.wrong(world), f"R-{number}")
        assert self.sell(world, world.fuelling(50_000, "09"), "R-9") == ("", 14_400)


class TestEventTime:
    def test_a_record_read_later_is_dated_by_a_device_that_earned_trust(self, world: World) -> None:
        world.fuel(device_time=DeviceTime(2026, 7, 8, 10, 0, 30))
        world.wait(3_600)
        world.book(world.fuelling(device_time=DeviceTime(2026, 7, 8, 10, 45, 0)), ended_ago_ms=None)
        fact = world.newest_fact()
        assert (fact.time_quality, world.at_ms - fact.event_time_ms) == ("device", 900_000)

    @pytest.mark.parametrize("off", [DeviceTime(2026, 7, 8, 9, 50, 0), DeviceTime(2026, 13, 8, 10, 0, 0)])
    def test_a_device_with_a_wrong_clock_is_not(self, world: World, off: DeviceTime) -> None:
        world.fuel(device_time=off)
        world.book(world.fuelling(device_time=DeviceTime(2026, 7, 8, 9, 59, 0)), ended_ago_ms=None)
        assert world.newest_fact().time_quality == "estimated"
        assert world.newest_fact().event_time_ms == world.at_ms

    def test_trust_is_lost_again(self, world: World) -> None:
        world.fuel(device_time=DeviceTime(2026, 7, 8, 10, 0, 0))
        world.fuel(device_time=DeviceTime(2026, 7, 8, 11, 0, 0))
        world.book(world.fuelling(device_time=DeviceTime(2026, 7, 8, 9, 59, 0)), ended_ago_ms=None)
        assert world.newest_fact().time_quality == "estimated"

    def test_no_clock_of_ours_is_in_the_id(self, world: World) -> None:
        record = world.fuelling()
        first = world.book(record).answer.fact_id
        world.wait(7_200)
        assert world.book(record, ended_ago_ms=None).answer.fact_id == first

    def test_estimated_earns_base_rules_only(self, world: World) -> None:
        world.present(GOLD)
        world.book(world.fuelling(50_000), ended_ago_ms=None)
        answer = world.pay("R-1", 39_250)
        assert (answer.points_minor, world.newest_fact().time_quality) == (10_000, "estimated")

    def test_rules_are_those_of_the_event_not_of_the_payment(self, world: World) -> None:
        """Thursday triples: hung up one minute before it began, paid after."""
        world.at_ms += 14 * 3_600_000 - 60_000
        world.present(GOLD)
        fuelling = world.fuel(50_000)
        world.wait(120)
        assert world.pay("R-1", fuelling.amount_fen).points_minor == 12_000
        world.present(GOLD)
        fuelling = world.fuel(50_000)
        assert world.pay("R-2", fuelling.amount_fen).points_minor == 36_000


def test_raw_digits_make_the_id_and_scaled_values_do_not(world: World) -> None:
    """A corrected scale in the configuration must not turn old records into new facts."""
    record = world.fuelling(50_000)
    world.book(record)
    rescaled = replace(record, volume_ml=500_000)
    assert world.book(rescaled).answer.outcome is Outcome.REPEATED
    renumbered = replace(record, raw=RawDigits("5001", "39250", "7850", "105000"))
    assert world.book(renumbered).answer.outcome is Outcome.DONE
