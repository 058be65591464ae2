"""Unit: does what was recorded of any driver play again as it was, and name nobody?"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from agent.cli.device_line import NOT_NOW
from drivers import catalogue
from drivers.escpos_tap.simulator import CASHIER as WAITER
from drivers.events import (
    BasketLine,
    Credential,
    CredentialKind,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Monotonic,
)
from drivers.replay import play
from drivers.verifone_journal.simulator import CASHIER, Line
from tests.unit.agent.taped import SETTINGS, Act, Tape, set_up

CARD, TAG, PLATE, CODE = "4111111111111111", "A1B2C3D4E5F60718", "京A12345", "770631"


def _one_sale(name: str) -> Act:
    sell = set_up(name).driver.sell
    if sell is None:
        return lambda device, now: None  # a gauge tells of its tanks all the same
    return lambda device, now: sell(device, "", 30_120, 23_644, 7_850, now)


def _a_member(kind: CredentialKind, value: str) -> Act:
    def act(pos: Any, now: Monotonic) -> None:
        pos.pay("S1", "1", 23_644, "cash", (BasketLine("water", 1_000, 600),), Credential(kind, value))

    return act


def _told(events: Iterable[DriverEvent]) -> set[DriverEvent]:
    """Without the moments, which are of one clock, and without who it was, which is not recorded."""
    news = (event for event in events if not isinstance(event, DeviceBack | DeviceSilent))
    return {_anonymous(event) for event in news}


def _anonymous(event: DriverEvent) -> DriverEvent:
    fields: dict[str, Any] = {"ended": None, "credential": None}
    known = {name: value for name, value in fields.items() if hasattr(event, name)}
    return replace(event, **known)


def test_every_driver_is_recorded_here() -> None:
    assert {name.partition("/")[0] for name in SETTINGS} == set(catalogue.names())


@pytest.mark.parametrize("name", SETTINGS)
def test_what_was_reported_is_reported_again_when_its_recording_is_played(name: str) -> None:
    act = _a_member(CredentialKind.TAG, TAG) if name == "pos_link" else _one_sale(name)
    tape = Tape(set_up(name), act).run()
    recording, who = tape.recording(), set_up(name)
    assert recording.header is not None
    assert recording.header.options == {k: v for k, v in who.typed.items() if k != "security_code"}
    again = who.driver.open_session(who.address, who.options)
    played = play(recording.chunks, again, lambda event: NOT_NOW, hears_host=who.listens)
    assert _told(tape.events)
    assert _told(played.events) == _told(tape.events)


def _sells_with_a_tag(device: Any, now: Monotonic) -> None:
    device.sell("04", 30_120, 23_644, 7_850, tag=TAG)
    device.present("04", TAG)


def _rings_up(register: Any, now: Monotonic) -> None:
    register.ring([Line(f"GIFT {CARD}", 1, 23_644), Line("FUEL", 1, 23_644, 4)], now, remark="x")


def _prints(pos: Any, now: Monotonic) -> None:
    pos.print_sale((), now, pump="4", fuel_fen=23_644)
    pos.print_text((f"卡号 {CARD}", f"车牌 {PLATE}"), now)


@pytest.mark.parametrize(
    ("name", "act", "secrets"),
    [
        ("companytec", _sells_with_a_tag, [TAG]),
        ("companytec/identified", _sells_with_a_tag, [TAG]),
        ("companytec/horustech", _sells_with_a_tag, [TAG]),
        ("pos_link", _a_member(CredentialKind.CARD, CARD), [CARD]),
        ("pos_link", _a_member(CredentialKind.TAG, TAG), [TAG]),
        ("pos_link", _a_member(CredentialKind.PLATE, PLATE), [PLATE]),
        ("pos_link", _a_member(CredentialKind.PHONE_CODE, "13912345678"), ["13912345678"]),
        ("verifone_journal", _rings_up, [CARD, CASHIER]),
        ("escpos_tap", _prints, [CARD, PLATE, WAITER, "测试加油站"]),
        ("escpos_tap/through", _prints, [CARD, PLATE, WAITER, "测试加油站"]),
        ("veeder_root", _one_sale("veeder_root"), [CODE]),
    ],
)
def test_what_names_somebody_crosses_the_wire_and_is_not_in_the_file(
    name: str, act: Act, secrets: list[str]
) -> None:
    tape = Tape(set_up(name), act).run()
    kept = b"".join(chunk.data for chunk in tape.recording().chunks)
    for secret in secrets:
        said = secret.encode("gb18030")
        assert said in tape.passed, "planted"
        assert said not in kept
        assert secret not in "".join(tape.lines)


@pytest.mark.parametrize("name", [name for name in SETTINGS if not name.startswith("gilbarco")])
def test_a_card_on_the_wire_of_another_driver_is_not_kept_either(name: str) -> None:
    """As when a POS is recorded by mistake. To Two-Wire (gilbarco) every byte is a frame of its own."""
    tape = Tape(set_up(name), lambda device, now: None)
    for at in range(0, 3_000, 500):
        tape.passes(f"*** {CARD} ***\r\n".encode("ascii"), "device", Monotonic(at))
    kept = b"".join(chunk.data for chunk in tape.recording().chunks)
    assert CARD.encode("ascii") in tape.passed
    assert CARD.encode("ascii") not in kept
