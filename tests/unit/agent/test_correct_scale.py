"""Unit: once a device's decimals are right, are the withheld facts read anew, awarded, and believed by HQ?"""

from dataclasses import replace

from agent.messages.judge import judge_with
from agent.points.rules import Bundle, parse_bundle
from drivers.events import Fuelling
from sync.hq.judging import Booked, ItemContext
from tests.unit.agent.stations import last_sale
from tests.world import BUNDLE, DAY_MS, GOLD, World


def ten_times_too_small(record: Fuelling) -> Fuelling:
    """The volume's decimals set wrong: the digits stay, what they mean is a tenth."""
    return replace(record, volume_ml=record.volume_ml // 10, volume_step_ml=1)


def sell(world: World, record: Fuelling, sale: str) -> int | None:
    world.present(GOLD)
    world.book(record)
    return world.pay(sale, record.amount_fen).points_minor


def break_then_mend(world: World) -> None:
    """Two odd records that earn, two withheld, and a day later the first right one."""
    for number in range(4):
        sell(world, ten_times_too_small(world.fuelling(50_000)), f"R-{number}")
    world.at_ms += DAY_MS // 24
    sell(world, world.fuelling(20_000), "R-9")


def verdicts(world: World) -> dict[tuple[str, int], Booked]:
    """What HQ makes of everything in the ledger stream."""
    items = {
        seq: (kind, body)
        for seq, kind, body in world.rows("SELECT seq, kind, body FROM outbox WHERE stream = 'ledger'")
    }
    bundle = parse_bundle(BUNDLE.read_bytes())
    assert isinstance(bundle, Bundle)
    judge = judge_with({(bundle.bundle, bundle.version): bundle})
    context = [ItemContext("s", 1, "ledger", seq, lambda _, seq: items.get(seq)) for seq in items]
    return {(items[one.seq][0], one.seq): judge(one, *items[one.seq]) for one in context}


def test_withheld_facts_are_scaled_like_the_first_right_record_and_awarded(world: World) -> None:
    break_then_mend(world)
    awards = world.rows("SELECT minor FROM award ORDER BY rowid")
    assert awards == [(1_200,), (1_200,), (12_000,), (12_000,), (4_800,)]
    corrections = world.rows("SELECT volume_ml, unit_price_milli FROM correction")
    assert corrections == [(50_000, 7_850), (50_000, 7_850)]


def test_the_cashier_gets_the_points_when_asking_again(world: World) -> None:
    break_then_mend(world)
    assert world.pay("R-3", 39_250).points_minor == 12_000


def test_the_fact_itself_is_never_changed(world: World) -> None:
    break_then_mend(world)
    assert world.rows("SELECT DISTINCT volume_ml FROM fact ORDER BY volume_ml") == [(5_000,), (20_000,)]


def test_hq_believes_awards_about_the_correction_and_recomputes_them(world: World) -> None:
    break_then_mend(world)
    judged = verdicts(world)
    assert {booked.verdict for booked in judged.values()} == {"ok"}
    assert sum(booked.minor for booked in judged.values()) == 1_200 * 2 + 12_000 * 2 + 4_800


def test_a_correction_is_made_once(world: World) -> None:
    break_then_mend(world)
    sell(world, world.fuelling(20_000), "R-10")
    assert world.count("correction") == 2


def test_one_that_does_not_fit_even_so_stays_withheld(world: World) -> None:
    for number in range(3):
        sell(world, ten_times_too_small(world.fuelling(50_000)), f"R-{number}")
    odd = ten_times_too_small(world.fuelling(50_000))
    sell(world, replace(odd, raw=replace(odd.raw, volume="4000")), "R-odd")
    sell(world, world.fuelling(20_000), "R-9")
    assert world.pay("R-odd", 39_250).reason == "WRONG_SCALE"
    assert world.pay("R-2", 39_250).points_minor == 12_000


def test_a_device_without_a_price_in_its_record_is_read_with_the_price_it_has_now(world: World) -> None:
    def shown(volume_ml: int, totalizer_ml: int) -> Fuelling:
        record = last_sale(volume_ml, totalizer_ml)
        return replace(record, raw=replace(record.raw, unit_price=""))

    total_ml = 1_000_000
    for _ in range(4):
        total_ml += 10_000
        world.book(ten_times_too_small(shown(10_000, total_ml)), "island-2")
    world.book(shown(10_000, total_ml + 10_000), "island-2")
    assert world.rows("SELECT volume_ml, unit_price_milli FROM correction") == [(10_000, 8_120)] * 2


def test_one_that_nobody_had_identified_is_scaled_anew_too_and_a_late_member_gets_the_points(
    world: World,
) -> None:
    for number in range(3):
        sell(world, ten_times_too_small(world.fuelling(50_000)), f"R-{number}")
    nobodys = ten_times_too_small(world.fuelling(50_000))
    world.book(nobodys)
    assert world.pay("R-nobody", nobodys.amount_fen).reason == "NO_MEMBER"
    sell(world, world.fuelling(20_000), "R-9")
    assert world.identify("R-nobody", GOLD).points_minor == 12_000
