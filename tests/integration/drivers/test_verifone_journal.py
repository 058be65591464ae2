"""Integration: is a journal heard over a real UDP group and a real pseudo-terminal, by the real line?"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.events import MemberPresented, Monotonic, SalePaid
from drivers.ports import Port, PortRefused, PortSpec, open_port
from drivers.stage import SimulatorOnPty
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.session import VerifoneJournalSession
from drivers.verifone_journal.simulator import CASHIER, VerifoneRegister
from drivers.verifone_journal.simulator import Line as Rung
from tests.integration.drivers.feed_rig import Till, clock, rows, serving, station, wait_until
from tests.world import BASIC, Dispenser

GROUP = "239.255.77.1"
TICKET = (
    "08/18/15 22:12:21 101             UNLD CA #03   7       25.00 ",
    "08/18/15 22:12:21 101                       TOTAL       25.00 \n",
    "08/18/15 22:12:21 101                        CASH       30.00 \n",
    "08/18/15 22:12:21 101 ST#  F0001 TILL XXXX DR# 1 TRAN# 1015207",
    "08/18/15 22:12:21 101 CSH: SOMEBODY          08/18/15 22:12:21\n",
)
PAID = SalePaid("101", "R101D150818T1015207", "3", 2_500, "CASH")
FUEL = (Rung("UNLD CA #03", 7, 2_500, 3),)


@contextmanager
def _group(place: str) -> Iterator[tuple[Port, tuple[str, int]]]:
    """A port that hears `place` on loopback, and where to send to."""
    port = open_port(PortSpec(f"udp://{place}:0@127.0.0.1", listen_only=True))
    named = socket.socket(fileno=os.dup(port.fileno()))
    address: tuple[str, int] = named.getsockname()
    named.close()
    try:
        yield port, address
    finally:
        port.close()


@pytest.mark.parametrize("place", [GROUP, "127.0.0.1"])
def test_a_ticket_in_datagrams_is_reported_with_and_without_line_feeds(place: str) -> None:
    till, session = Till(refusals=1), VerifoneJournalSession("1", VerifoneJournalOptions())
    with _group(place) as (port, address), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as register:
        register.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        with serving(lambda: port, session, till) as line:
            wait_until(lambda: line.status().port_open)
            for text in TICKET:
                register.sendto(text.encode(), address)
                register.sendto(b"", address)
            wait_until(lambda: bool(till.booked))
    assert till.booked == [PAID]
    assert session.counters()["NOT_DURABLE"] == 1
    assert session.counters().get("BAD_FRAME", 0) == 0


def test_a_group_can_only_be_heard() -> None:
    with _group(GROUP) as (port, _), pytest.raises(AssertionError, match="only listen"):
        port.write(b"x")


@pytest.mark.parametrize("place", ["230.0.0.1", "230.0.0.1:x", "x:1", "230.0.0.1:70000", "230.0.0.1:1@x"])
def test_a_group_that_is_none_is_refused_with_a_remedy(place: str) -> None:
    with pytest.raises(PortRefused, match="PORT_SETTINGS") as refused:
        open_port(PortSpec(f"udp://{place}"))
    assert "230.0.0.1:14001" in refused.value.remedy


def test_an_interface_that_is_not_ours_is_refused() -> None:
    with pytest.raises(PortRefused, match="PORT_UNREACHABLE"):
        open_port(PortSpec("udp://230.0.0.1:0@203.0.113.7"))


def test_tickets_over_a_serial_port_are_each_reported_once() -> None:
    options = VerifoneJournalOptions()
    till, session = Till(), VerifoneJournalSession("1", options)
    stage = SimulatorOnPty(VerifoneRegister(options, with_prefix=True), clock)
    try:
        with serving(
            lambda: open_port(PortSpec(stage.path, pty=True, listen_only=True)), session, till
        ) as line:
            wait_until(lambda: line.status().port_open)
            stage.act(lambda register: [register.ring(FUEL, clock()) for _ in range(3)])
            wait_until(lambda: len(till.booked) == 3)
        told = stage.act(lambda register: list(register.told))
    finally:
        stage.close()
    assert till.booked == told


@pytest.mark.parametrize("fuelled_first", [True, False])
def test_a_prepayment_with_a_rest_finds_its_fuelling_in_the_stations_own_store(
    tmp_path: Path, fuelled_first: bool
) -> None:
    """Paid 100.00 at pump 1, taken 84.00, given back 16.00: bound once, points for 84.00; nobody is named."""
    options, database = VerifoneJournalOptions(), tmp_path / "station.db"
    stage = SimulatorOnPty(VerifoneRegister(options, with_prefix=True), clock)
    spec = PortSpec(stage.path, pty=True, listen_only=True)
    fuelling = Dispenser().fuelling(8_400, unit_price_milli=10_000, amount_fen=8_400)

    def sales() -> list[tuple[object, ...]]:
        return rows(database, "SELECT state, fuel_amount_fen, refunded_fen FROM pos_sale")

    def ring(line: Rung) -> None:
        stage.act(lambda register: register.ring([line], clock(), told=()))

    try:
        with station(database) as desk:
            session = VerifoneJournalSession("1", options)

            def fuel() -> None:
                assert desk.report("island-1", fuelling, Monotonic(0)).durable

            with serving(lambda: open_port(spec), session, lambda e, at: desk.report("pos", e, at)) as line:
                wait_until(lambda: line.status().port_open)
                desk.report("pos", MemberPresented("101", "1", BASIC), Monotonic(0))
                ring(Rung("PREPAY CA #01", 1, 10_000, 1))
                wait_until(lambda: bool(sales()))
                if fuelled_first:
                    fuel()
                assert sales() == [("CANDIDATE", 10_000, 0)]
                ring(Rung("UNLD CA #01", 7, -1_600, 1))
                wait_until(lambda: bool(rows(database, "SELECT * FROM refund")))
                if not fuelled_first:
                    fuel()
                assert sales() == [("BOUND", 10_000, 1_600)]
            assert rows(database, "SELECT member, minor FROM award") == [("m-basic", 1_600)]
            assert session.counters().get("REFUSED", 0) == 0
    finally:
        stage.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert b"R101D25" in kept, "the search can find something"
    assert CASHIER.encode() not in kept
