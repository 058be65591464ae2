"""AZT 2.0: pumps with Topaz and other Russian control units. See NOTES.md."""

from typing import Any

from drivers.azt2.options import SILENCE_MS, AztOptions
from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    if options.mode == "master":
        from drivers.azt2.session import AztMaster

        return AztMaster(address, options)
    from drivers.azt2.tap import AztTap

    return AztTap(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.azt2.codec import channel_of
    from drivers.azt2.simulator import AztSimulator, Habits

    widths = (options.volume_digits, options.amount_digits, options.price_digits)
    if options.mode == "master":
        return AztSimulator(channel_of(address), Habits(widths=widths))
    from drivers.azt2.controller import TappedWire

    return TappedWire((channel_of(address),), Habits(widths=widths, needs_authorisation=True))


def _listens(options: Any) -> bool:
    return bool(options.mode == "listen")


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.azt2.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    if _listens(options):
        return ()
    from drivers.azt2.codec import ask, channel_of
    from drivers.azt2.words import Command

    channel = channel_of(address)
    return (
        Ask("state", ask(channel, Command.STATE)),
        Ask("version", ask(channel, Command.VERSION)),
        Ask("totals", ask(channel, Command.TOTALS), is_totals=True),
    )


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(volume_ml // 10, amount_fen, price_milli // 10, now)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.azt2.case import ListenCase, MasterCase
    from drivers.azt2.controller import TappedWire
    from drivers.azt2.simulator import Habits

    numbered = Habits(fuelling_ms=500, answer_ms=15)
    plain = Habits(fuelling_ms=500, answer_ms=15, gives_numbers=False, lag_ms=700, hangs_late=True)
    tapped = Habits(needs_authorisation=True, fuelling_ms=1_500)
    return {
        "numbered": lambda: MasterCase(numbered),
        "without_numbers": lambda: MasterCase(plain),
        "listen": lambda: ListenCase(TappedWire((1, 17), tapped)),
    }


DRIVER = Driver(
    name="azt2",
    title="AZT 2.0: Topaz and other Russian control units",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="four open programs, no capture",
    options=AztOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(4_800, 7, "even", 2),),
    addresses=("1", "2", "3", "4"),
    asks=_asks,
    listens=_listens,
    sell=_sell,
    flags=frozenset({"CONTINUED", "OVERRUN", "TOTALIZER_MISSING", "TOTALIZER_UNHEARD", "TOTAL_DIFFERS"}),
)
