"""Zhengxing dispensers (Censtar family, Henan) on a current loop. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View
from drivers.zhengxing.options import SILENCE_MS, ZhengxingOptions


def _open_session(address: str, options: Any) -> Session:
    if options.mode == "master":
        from drivers.zhengxing.session import ZhengxingMaster

        return ZhengxingMaster(address, options)
    from drivers.zhengxing.tap import ZhengxingTap

    return ZhengxingTap(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    points = _points(address, options)
    if options.mode == "listen":
        from drivers.zhengxing.controller import TappedWire

        return TappedWire(points)
    from drivers.zhengxing.simulator import ZhengxingSimulator

    return ZhengxingSimulator(points)


def _points(address: str, options: Any) -> tuple[int, ...]:
    from drivers.zhengxing.codec import point_of

    points: tuple[int, ...] = options.addresses or (point_of(address),)
    return points


def _listens(options: Any) -> bool:
    return bool(options.mode == "listen")


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.zhengxing.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    if _listens(options):
        return ()
    from drivers.zhengxing.asks import asks

    return asks(_points(address, options))


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    number = int(nozzle) if nozzle else next(iter(device.points))
    device.sell(number, volume_ml // 10, amount_fen, price_milli // 10, now)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.zhengxing.case import ListenCase, MasterCase

    return {"listen": ListenCase, "master": MasterCase}


DRIVER = Driver(
    name="zhengxing",
    title="Zhengxing dispensers (Censtar family)",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="only one open implementation",
    options=ZhengxingOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600, 8, "even", 1),),
    addresses=("1", "2", "3", "4"),
    asks=_asks,
    listens=_listens,
    sell=_sell,
    flags=frozenset({"HISTORIC", "PRICE_UNREADABLE", "RECORD_VARIES", "TOTALIZER_UNHEARD", "TOTAL_DIFFERS"}),
)
