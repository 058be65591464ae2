"""The smallest complete driver, for a line protocol that no device speaks: copy it to begin a new one."""

from functools import partial
from typing import Any

from drivers.blueprint.options import BlueprintOptions
from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.blueprint.session import BlueprintSession

    return BlueprintSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.blueprint.simulator import BlueprintSimulator

    return BlueprintSimulator()


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(nozzle or "01", volume_ml // 10, amount_fen, price_milli // 10)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.blueprint.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    from drivers.blueprint import codec

    return (Ask("oldest sale", codec.encode(codec.READ), is_totals=True),)


def conformance_cases() -> Cases:
    """What the conformance kit runs for this driver; it looks in the module that holds `DRIVER`."""
    from drivers.blueprint.case import BlueprintCase

    return {"plain": BlueprintCase, "wraps": partial(BlueprintCase, 9_998)}


DRIVER = Driver(
    name="blueprint",
    title="nothing real: the driver to copy",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="none, invented here",
    options=BlueprintOptions,
    silence_ms=3_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600),),
    addresses=("1",),
    asks=_asks,
    sell=_sell,
)
