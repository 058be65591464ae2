"""unit: which readings of an unnumbered last sale are new sales, where a simulator would behave too well?"""

from drivers.events import Monotonic
from drivers.modbus.map_files import load_map
from drivers.modbus.maps import LastSaleMap
from drivers.modbus.registers import Reading
from drivers.modbus.sale_watch import STEADY_READINGS, NewSale, SaleWatch, Seen


def a_watch() -> SaleWatch:
    found = load_map("compac-c5000")
    assert isinstance(found, LastSaleMap)
    return SaleWatch(found)


def number(count: int) -> Reading:
    return Reading(str(count), count)


def shown(volume_ml: int, total_ml: int, *, is_ended: bool = True, current_ml: int = 0) -> Seen:
    """Price 1.00: 10 ml cost 1 fen, so the amount (in thousandths) counts as the volume does."""
    return Seen(
        is_ended=is_ended,
        volume=number(volume_ml),
        amount=number(volume_ml),
        unit_price=number(100),
        current=number(current_ml),
        total_volume=number(total_ml),
        total_amount=number(total_ml),
    )


def feed(watch: SaleWatch, *readings: Seen) -> list[NewSale]:
    sales = (watch.see(seen, Monotonic(at), may_report=True) for at, seen in enumerate(readings))
    return [sale for sale in sales if sale is not None]


def after_one_sale() -> SaleWatch:
    watch = a_watch()
    assert len(feed(watch, *[shown(5_000, 100_000)] * STEADY_READINGS)) == 1
    return watch


def test_totals_that_move_under_an_unchanged_display_are_no_sale() -> None:
    """The flag of this device never falls, and its totals count while fuel flows, with a pause."""
    watch = after_one_sale()
    assert feed(watch, *[shown(5_000, 102_000)] * 10, *[shown(5_000, 103_500)] * 10) == []


def test_and_the_sale_is_reported_when_the_display_follows() -> None:
    watch = after_one_sale()
    (sale,) = feed(watch, *[shown(5_000, 102_000)] * 10, shown(7_000, 107_000))
    assert (sale.seen.volume.count, sale.flags) == (7_000, ())


def test_two_equal_sales_are_two_although_the_totals_have_another_scale() -> None:
    watch = after_one_sale()
    running = shown(5_000, 100_000, is_ended=False, current_ml=2_000)
    (sale,) = feed(watch, running, *[shown(5_000, 100_500)] * STEADY_READINGS)
    assert sale.seen.volume.count == 5_000
    assert sale.flags == ("TOTAL_DIFFERS", "AMOUNT_TOTAL_DIFFERS")


def test_a_flag_that_falls_and_rises_without_a_sale_is_none() -> None:
    watch = after_one_sale()
    lifted = shown(5_000, 100_000, is_ended=False)
    assert feed(watch, *[lifted] * 5, *[shown(5_000, 100_000)] * 30) == []


def test_totals_that_hold_no_digits_do_not_keep_a_sale_back() -> None:
    watch = a_watch()
    unreadable = Seen(
        True,
        number(5_000),
        number(5_000),
        number(100),
        number(0),
        Reading("00000000000A", None),
        None,
    )
    (sale,) = feed(watch, *[unreadable] * 10)
    assert sale.flags == ("TOTAL_UNREADABLE",)
