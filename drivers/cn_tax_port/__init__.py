"""The tax-control (fiscal) port of Chinese dispensers, read only. See NOTES.md."""

from typing import Any

from drivers.cn_tax_port.options import SILENCE_MS, TaxPortOptions
from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.cn_tax_port.session import TaxPortSession

    return TaxPortSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.cn_tax_port.simulator import TaxPortSimulator

    return TaxPortSimulator(options.guns)


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    gun = int(nozzle) if nozzle else device.first_gun
    device.sell(gun, volume_ml // 10, amount_fen, price_milli // 10, now)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.cn_tax_port.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    from drivers.cn_tax_port import codec

    guns = options.guns
    sales = [Ask(f"latest sale of gun {gun}", codec.ask_latest(gun)) for gun in guns]
    totals = [Ask(f"grand total of gun {gun}", codec.ask_grand(gun), is_totals=True) for gun in guns]
    return (*sales, Ask("tax record", codec.ask_tax(guns[0])), *totals)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.cn_tax_port.case import TaxPortCase

    return {
        "plain": TaxPortCase,
        "ketaikang": lambda: TaxPortCase(padding=b"00", lag_ms=2_000),
    }


DRIVER = Driver(
    name="cn_tax_port",
    title="tax-control (fiscal) port of Chinese dispensers, read only",
    hand_over=HandOver.LAST_SALE,
    grade=Grade.BRONZE,
    evidence="one open program",
    options=TaxPortOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600),),
    asks=_asks,
    sell=_sell,
    flags=frozenset({"AMOUNT_TOTAL_DIFFERS", "TOTAL_DIFFERS"}),
)
