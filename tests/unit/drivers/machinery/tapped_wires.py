"""For tests of who only listens, of several drivers: a wire whose controller is heard late, a site that has
set nothing."""

import random
from collections import deque
from typing import Any

from drivers.conformance import as_sold, identity_of
from drivers.conformance.cases import TapCase
from drivers.conformance.truths import Sold, paired
from drivers.driver import Driver
from drivers.events import Fuelling, Monotonic
from tests.unit.drivers.machinery.session_bench import YES

STEP_MS, SALE_MS = 2, 7_000


def overhear(
    case: TapCase, seed: int, late_ms: tuple[int, int], sales: int = 4
) -> tuple[list[Sold], list[Sold]]:
    """(lost, invented) where there is a receiver for each direction, and the controller's keeps what it hears
    back for so long, from ... to: an answer may be heard before its question."""
    rng, session, wire = random.Random(seed), case.open_session(), case.simulator
    told: list[Fuelling] = []
    on_the_way: deque[tuple[Monotonic, bytes]] = deque()
    now = Monotonic(0)
    for step in range(sales * SALE_MS // STEP_MS):
        now = Monotonic(now + STEP_MS)
        if step % (SALE_MS // STEP_MS) == 1_000:
            case.sell(rng, now)
        answer, question = _said(wire, now)
        if question:
            on_the_way.append((Monotonic(now + rng.randint(*late_ms)), question))
        heard = [answer] if answer else []
        while on_the_way and on_the_way[0][0] <= now:
            heard.append(on_the_way.popleft()[1])
        for data in heard:
            session.receive(data, now)
        session.handle_timer(now)
        while (event := session.next_event()) is not None:
            told += [event] if isinstance(event, Fuelling) else []
            session.confirm(event, YES, now)
        assert session.bytes_to_send(now) == b""
    pairs, invented = paired(case.sold(), {identity_of(each): each for each in told}.values())
    return [sold for sold, heard_of in pairs if heard_of is None], [as_sold(each) for each in invented]


def spoken_by_default(driver: Driver, traffic: list[bytes]) -> bytes:
    """All that a session says whose site has not set a mode, whatever it hears, asked at every moment."""
    options = driver.options()
    assert driver.listens(options)
    assert driver.asks("1", options) == ()
    session, spoken, now = driver.open_session("1", options), b"", Monotonic(0)
    for data in (*traffic, b""):
        for pause_ms in (0, 5, 60, 500, 6_000):
            now = Monotonic(now + pause_ms)
            session.handle_timer(now)
            spoken += session.bytes_to_send(now)
            while (event := session.next_event()) is not None:
                session.confirm(event, YES, now)
                spoken += session.bytes_to_send(now)
            assert not session.awaiting()
        session.receive(data, now)
        spoken += session.bytes_to_send(now)
    session.disconnected(now)
    return spoken + session.bytes_to_send(now)


def _said(wire: Any, now: Monotonic) -> tuple[bytes, bytes]:
    """What the device and what the controller says at this moment."""
    due, timer = bytes(wire._answer), wire.next_timer()
    if timer is not None and timer <= now:
        wire.handle_timer(now)
    data = wire.bytes_to_send(now)
    return (due, data[len(due) :]) if due and data.startswith(due) else (b"", data)
