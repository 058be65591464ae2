"""Unit: does fuel that leaves a tank without a sale raise an alarm, and nothing else one?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.handlers.reconcile import MISSING_FOR_MS, WINDOW_MS, judge
from agent.handlers.site import TankPlace
from agent.store.tanks import Window
from drivers.events import TankDelivery, TankRead
from tests.world import World, site

GAUGE_LINE = "gauges"
ALARM = "TANK_DROP_UNEXPLAINED"
TOLERANCE_ML = 100_000
MINUTE_S = 60


class Forecourt(World):
    """Petrol 92 in the tanks 1 and 2 of one gauge, petrol 95 in tank 3; else as the world."""

    volumes_ml: dict[str, int]

    def read(self, *, is_delivering: bool = False, flags: tuple[str, ...] = ()) -> None:
        """The gauge is asked, and answers for every tank."""
        for tank, volume_ml in self.volumes_ml.items():
            read = TankRead(
                "1", tank, "1", "", volume_ml, is_delivering=is_delivering and tank == "1", flags=flags
            )
            assert self.book(read, GAUGE_LINE).answer.durable

    def minutes(self, minutes: int, *, draw_ml: int = 0, sell_ml: int = 0, tank: str = "1") -> None:
        """Every minute so much leaves a tank, so much is booked, and the gauge is read."""
        for _ in range(minutes):
            self.wait(MINUTE_S)
            self.volumes_ml[tank] -= draw_ml
            if sell_ml:
                self.fuel(sell_ml)
            self.read()

    def deliver(self, tank: str, volume_ml: int, raw: str) -> str:
        start_ml = self.volumes_ml[tank]
        self.volumes_ml[tank] += volume_ml
        delivery = TankDelivery("1", tank, "1", raw, None, None, start_ml, start_ml + volume_ml)
        answer = self.book(delivery, GAUGE_LINE).answer
        assert answer.durable
        return answer.outcome

    def start(self) -> None:
        """The agent starts."""
        self.run(lambda tx, at: tx.runs.begin(at.wall_ms, "boot"))

    def unexplained(self) -> dict[str, int]:
        return {subject: times for (code, subject), times in self.alarms().items() if code == ALARM}

    def window(self, product: str = "petrol-92") -> Window | None:
        return self.run(lambda tx, at: tx.tanks.window(product))


@pytest.fixture
def forecourt(tmp_path: Path) -> Iterator[Forecourt]:
    here = site(
        devices={("island-1", "0"): "cbc", (GAUGE_LINE, "1"): "tls"},
        tanks={
            ("tls", "1"): TankPlace("west", "petrol-92", TOLERANCE_ML // 2),
            ("tls", "2"): TankPlace("east", "petrol-92", TOLERANCE_ML // 2),
            ("tls", "3"): TankPlace("south", "petrol-95", TOLERANCE_ML),
        },
    )
    forecourt = Forecourt(tmp_path / "station.db", site=here)
    forecourt.volumes_ml = {"1": 20_000_000, "2": 10_000_000, "3": 5_000_000}
    yield forecourt
    forecourt.store.close()


def test_sales_explain_the_drop(forecourt: Forecourt) -> None:
    forecourt.read()
    forecourt.minutes(20, draw_ml=50_000, sell_ml=50_000)
    assert forecourt.unexplained() == {}
    assert forecourt.window() == Window(
        "petrol-92",
        opened_at_ms=forecourt.at_ms - 20 * 60_000,
        opened_ml=30_000_000,
        judged_at_ms=forecourt.at_ms,
        last_ml=29_000_000,
    )
    assert forecourt.count("award") == 0, "a tank gives no points"


def test_fuel_that_no_sale_explains_raises_one_alarm(forecourt: Forecourt) -> None:
    forecourt.read()
    forecourt.volumes_ml["2"] -= 300_000
    forecourt.minutes(15)
    assert forecourt.unexplained() == {}, "not before it stayed so for a quarter of an hour"
    forecourt.minutes(20, draw_ml=40_000, sell_ml=40_000)
    assert forecourt.unexplained() == {"east west": 1}
    assert forecourt.rows("SELECT detail FROM alarm WHERE code = ?", ALARM) == [("300000 ml",)]


def test_the_tolerance_of_all_tanks_counts_and_the_other_product_is_left_alone(forecourt: Forecourt) -> None:
    forecourt.read()
    forecourt.volumes_ml["1"] -= TOLERANCE_ML
    forecourt.volumes_ml["3"] -= TOLERANCE_ML + 1
    forecourt.minutes(30)
    assert forecourt.unexplained() == {"south": 1}


def test_a_theft_while_the_station_is_busy_is_found(forecourt: Forecourt) -> None:
    """Fuel flows before it is booked: 60 l are always under way."""
    forecourt.read()
    forecourt.volumes_ml["1"] -= 60_000
    forecourt.minutes(20, draw_ml=60_000, sell_ml=60_000)
    assert forecourt.unexplained() == {}
    forecourt.volumes_ml["1"] -= 200_000
    forecourt.minutes(20, draw_ml=60_000, sell_ml=60_000)
    assert forecourt.unexplained() == {"east west": 1}


def test_what_was_under_way_when_the_window_began_hides_nothing(forecourt: Forecourt) -> None:
    """150 l had left the tank before the first look and are booked after it: a later loss counts whole."""
    forecourt.read()
    forecourt.wait(MINUTE_S)
    forecourt.fuel(150_000)
    forecourt.minutes(10)
    forecourt.volumes_ml["1"] -= 120_000
    forecourt.minutes(20)
    assert forecourt.unexplained() == {"east west": 1}


def test_a_long_fuelling_is_no_loss_if_it_is_booked_in_time(forecourt: Forecourt) -> None:
    forecourt.read()
    forecourt.minutes(10, draw_ml=60_000)
    forecourt.fuel(600_000)
    forecourt.minutes(20)
    assert forecourt.unexplained() == {}


def test_litres_that_passed_a_meter_without_a_record_explain_a_drop(forecourt: Forecourt) -> None:
    forecourt.fuel(10_000)
    forecourt.read()
    forecourt.wait(MINUTE_S)
    forecourt.volumes_ml["1"] -= 510_000
    forecourt.totalizer_ml["08"] += 500_000  # sold while nobody heard it
    forecourt.fuel(10_000)
    forecourt.minutes(30)
    assert forecourt.unexplained() == {}
    assert forecourt.rows("SELECT volume_ml FROM fact WHERE kind = 'gap'") == [(500_000,)]


@pytest.mark.parametrize("says_so", [True, False])
def test_a_delivery_raises_none_and_begins_a_new_window(forecourt: Forecourt, says_so: bool) -> None:
    forecourt.read()
    forecourt.minutes(5, draw_ml=50_000, sell_ml=50_000)
    for _ in range(10):
        forecourt.wait(MINUTE_S)
        forecourt.volumes_ml["1"] += 800_000 - 50_000
        forecourt.fuel(50_000)
        forecourt.read(is_delivering=says_so)
        window = forecourt.window()
        assert (window is None) == says_so
        assert window is None or window.opened_at_ms == forecourt.at_ms
    if says_so:
        assert forecourt.deliver("1", 0, "2607081000/2607081010/...") == "done"
    forecourt.minutes(20, draw_ml=50_000, sell_ml=50_000)
    assert forecourt.unexplained() == {}
    forecourt.volumes_ml["2"] -= 200_000
    forecourt.minutes(20)
    assert forecourt.unexplained() == {"east west": 1}, "a loss after the delivery is found"


def test_a_delivery_that_only_its_record_tells_of_begins_a_new_window(forecourt: Forecourt) -> None:
    forecourt.read()
    assert forecourt.deliver("2", TOLERANCE_ML // 2, "small") == "done"
    assert forecourt.window() is None


def test_a_level_of_long_ago_begins_no_window(forecourt: Forecourt) -> None:
    forecourt.read()
    forecourt.deliver("2", 5_000_000, "a/b/c")
    forecourt.wait(11 * MINUTE_S)
    forecourt.book(TankRead("1", "1", "1", "", 20_000_000), GAUGE_LINE)
    assert forecourt.window() is None


def test_a_delivery_is_kept_once(forecourt: Forecourt) -> None:
    assert forecourt.deliver("1", 5_000_000, "a/b/c") == "done"
    forecourt.reopen()
    assert forecourt.deliver("1", 0, "a/b/c") == "repeated"
    assert forecourt.deliver("2", 0, "a/b/c") == "done"
    rows = forecourt.rows("SELECT device_key, tank, start_volume_ml, end_volume_ml FROM tank_delivery")
    assert rows == [("tls", "1", 20_000_000, 25_000_000), ("tls", "2", 10_000_000, 10_000_000)]


def test_what_left_while_only_the_gauge_was_away_is_judged(forecourt: Forecourt) -> None:
    """Whoever pulls its plug, draws fuel and puts the plug back: the dispensers were heard all the while."""
    forecourt.read()
    forecourt.minutes(5)
    for _ in range(12):
        forecourt.wait(5 * MINUTE_S)
        forecourt.volumes_ml["1"] -= 60_000
        forecourt.fuel(60_000)
    forecourt.volumes_ml["1"] -= 900_000
    forecourt.minutes(20)
    assert forecourt.unexplained() == {"east west": 1}
    assert forecourt.rows("SELECT detail FROM alarm WHERE code = ?", ALARM) == [("900000 ml",)]


def test_what_left_while_the_agent_was_away_is_not_judged(forecourt: Forecourt) -> None:
    """Nobody heard what was sold meanwhile."""
    forecourt.start()
    forecourt.read()
    forecourt.wait(11 * MINUTE_S)
    forecourt.volumes_ml["1"] -= 900_000
    forecourt.start()
    forecourt.minutes(20)
    assert forecourt.unexplained() == {}
    forecourt.volumes_ml["1"] -= 200_000
    forecourt.minutes(20)
    assert forecourt.unexplained() == {"east west": 1}, "what leaves after it is"


def test_a_tank_that_is_taken_out_of_the_settings_has_not_leaked(forecourt: Forecourt) -> None:
    forecourt.start()
    forecourt.read()
    forecourt.wait(MINUTE_S)
    del forecourt.site.tanks["tls", "2"]  # type: ignore[attr-defined]
    forecourt.start()
    forecourt.minutes(20)
    assert forecourt.unexplained() == {}


def test_a_delivery_while_the_gauge_was_away_is_none_of_a_loss(forecourt: Forecourt) -> None:
    forecourt.read()
    forecourt.wait(60 * MINUTE_S)
    forecourt.volumes_ml["1"] += 5_000_000 - 800_000
    forecourt.fuel(800_000)
    forecourt.minutes(20)
    assert forecourt.unexplained() == {}
    assert forecourt.deliver("1", 0, "late") == "done"
    forecourt.minutes(20, draw_ml=50_000, sell_ml=50_000)
    assert forecourt.unexplained() == {}


def test_sales_that_a_dispenser_tells_hours_later_hide_no_later_loss(forecourt: Forecourt) -> None:
    """It was not heard for two hours: one alarm, whose remedy says so. Then its 500 l come in one by one."""
    forecourt.read()
    forecourt.minutes(20, draw_ml=25_000)
    assert sum(forecourt.unexplained().values()) == 1
    forecourt.minutes(100)
    for _ in range(10):
        forecourt.fuel(50_000)
    forecourt.minutes(20)
    assert sum(forecourt.unexplained().values()) == 1
    forecourt.volumes_ml["2"] -= 200_000
    forecourt.minutes(20)
    assert sum(forecourt.unexplained().values()) == 2


def test_two_gauges_that_are_read_in_turn(tmp_path: Path) -> None:
    """What the older reading cannot show yet is not held against it, at the beginning nor at the end."""
    here = site(
        devices={("island-1", "0"): "cbc", (GAUGE_LINE, "1"): "tls", (GAUGE_LINE, "2"): "other"},
        tanks={
            ("tls", "1"): TankPlace("west", "petrol-92", TOLERANCE_ML // 2),
            ("other", "1"): TankPlace("east", "petrol-92", TOLERANCE_ML // 2),
        },
    )
    forecourt = Forecourt(tmp_path / "station.db", site=here)
    west_ml = 20_000_000
    for minute in range(60):
        forecourt.book(TankRead("1", "1", "1", "", west_ml), GAUGE_LINE)
        forecourt.wait(30)
        if minute < 20:
            west_ml -= 200_000
            forecourt.fuel(200_000)
        forecourt.wait(20)
        forecourt.book(TankRead("2", "1", "1", "", 10_000_000), GAUGE_LINE)
        forecourt.wait(10)
    assert forecourt.unexplained() == {}
    forecourt.store.close()


def test_a_volume_is_compared_as_it_is_not_at_fifteen_degrees(forecourt: Forecourt) -> None:
    """A dispenser sells what passes its meter: the sun on a tank must not look like a loss."""
    for tc_volume_ml in (5_000_000, 4_500_000):
        for _ in range(20):
            forecourt.wait(MINUTE_S)
            read = TankRead("1", "3", "1", "", 5_000_000, tc_volume_ml=tc_volume_ml)
            forecourt.book(read, GAUGE_LINE)
    assert forecourt.unexplained() == {}


def test_the_end_of_a_day_drops_no_suspicion(forecourt: Forecourt) -> None:
    """Ten minutes before the window's day is over 300 l are gone."""
    forecourt.read()
    opened = forecourt.window()
    assert opened is not None
    forecourt.run(
        lambda tx, at: tx.tanks.keep_window(
            replace(opened, opened_at_ms=opened.opened_at_ms - WINDOW_MS + 10 * 60_000)
        )
    )
    forecourt.volumes_ml["2"] -= 300_000
    forecourt.minutes(20)
    assert forecourt.unexplained() == {"east west": 1}


def test_a_window_ends_with_its_day(forecourt: Forecourt) -> None:
    """A probe that drifts by 90 l a day is no theft."""
    forecourt.read()
    opened = forecourt.window()
    assert opened is not None
    yesterday = replace(
        opened, opened_at_ms=opened.opened_at_ms - WINDOW_MS, opened_ml=opened.opened_ml + 90_000
    )
    forecourt.run(lambda tx, at: tx.tanks.keep_window(yesterday))
    forecourt.minutes(20, draw_ml=2_000)
    assert forecourt.unexplained() == {}
    window = forecourt.window()
    assert window is not None
    assert window.opened_at_ms == forecourt.at_ms - 19 * 60_000
    forecourt.run(lambda tx, at: tx.tanks.keep_window(replace(window, opened_ml=window.opened_ml + 90_000)))
    forecourt.minutes(20, draw_ml=2_000)
    assert forecourt.unexplained() == {"east west": 1}, "within one day it is one"


def test_readings_that_measure_nothing_and_tanks_nobody_configured_are_left_out(forecourt: Forecourt) -> None:
    forecourt.read(flags=("HEIGHT_INVALID",))
    stranger = TankRead("1", "9", "1", "", 1_000)
    assert forecourt.book(stranger, GAUGE_LINE).answer.durable
    assert forecourt.count("tank_level") == forecourt.count("tank_window") == 0


def test_a_product_is_judged_when_all_its_tanks_were_read(forecourt: Forecourt) -> None:
    forecourt.book(TankRead("1", "1", "1", "", 20_000_000), GAUGE_LINE)
    assert forecourt.window() is None
    forecourt.read()
    before = forecourt.window()
    forecourt.wait(MINUTE_S)
    forecourt.book(TankRead("1", "1", "1", "", 19_000_000), GAUGE_LINE)
    assert forecourt.window() == before


def test_judging_follows_the_least_that_was_unexplained() -> None:
    window = Window("92", 0, 1_000_000, 0, 1_000_000)
    window = judge(window, 1_000_000, 80_000, TOLERANCE_ML, 1_000)
    assert (window.lowest_ml, window.missing_since_ms) == (-80_000, None)
    window = judge(window, 950_000, 80_000, TOLERANCE_ML, 2_000)
    assert window.missing_since_ms is None
    window = judge(window, 850_000, 80_000, TOLERANCE_ML, 3_000)
    assert (window.missing_since_ms, window.missing_ml) == (3_000, 150_000)
    window = judge(window, 800_000, 80_000, TOLERANCE_ML, 4_000)
    assert (window.missing_since_ms, window.missing_ml) == (3_000, 150_000), "the least since then"
    window = judge(window, 800_000, 200_000, TOLERANCE_ML, 5_000)
    assert (window.missing_since_ms, window.missing_ml) == (None, 0)
    assert MISSING_FOR_MS == 900_000
