"""Integration: do receipts go through a real pair of terminals unharmed and at once, and are they read?"""

import logging
import random
import select
import threading
from pathlib import Path

import pytest

from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.session import EscposTapSession
from drivers.escpos_tap.simulator import CASHIER, CUT, PATTERNS, QUESTION, PrintingPos
from drivers.events import BasketLine, SalePaid
from drivers.passthrough import KEPT_BYTES, PassThroughPort
from drivers.ports import Port, PortGone, PortRefused, PortSpec, open_port
from drivers.stage import SimulatorOnPty
from tests.integration.drivers.feed_rig import (
    WAIT_LIMIT_S,
    Terminal,
    Till,
    clock,
    rows,
    serving,
    station,
    wait_until,
)

LINES = ("单号: A000001", "枪号: 03", "油品   234.05", "合计: 234.05", "微信  234.05")
RECEIPT = "\n".join(LINES).encode("gb18030") + b"\n" + CUT
PAID = SalePaid("1", "A000001", "3", 23_405, "微信")
READY = b"\x12"


def _options(form: str) -> EscposTapOptions:
    return EscposTapOptions.model_validate({"register_id": "1", "patterns": PATTERNS, "form": form})


def test_a_second_printer_answers_and_reads_what_is_printed() -> None:
    options, till = _options("second_printer"), Till(refusals=1)
    stage = SimulatorOnPty(PrintingPos(options), clock)
    try:
        session = EscposTapSession("1", options)
        with serving(lambda: open_port(PortSpec(stage.path, pty=True)), session, till) as line:
            wait_until(lambda: line.status().port_open)
            goods = (BasketLine("矿泉水", 2_000, 400),)
            stage.act(
                lambda pos: [pos.print_sale(goods, clock(), pump="03", fuel_fen=9_000) for _ in range(3)]
            )
            wait_until(lambda: len(till.booked) == 3)
            wait_until(lambda: stage.act(lambda pos: bytes(pos.heard)) == READY * 3)
        assert till.booked == stage.act(lambda pos: list(pos.told))
    finally:
        stage.close()


def test_in_the_cable_bytes_pass_both_ways_at_once_and_receipts_are_read() -> None:
    pos, printer = Terminal(), Terminal()
    till, session = Till(), EscposTapSession("1", _options("pass_through"))
    spec = PortSpec(f"{pos.path} -> {printer.path}", pty=True, listen_only=True)
    try:
        with serving(lambda: open_port(spec), session, till) as line:
            wait_until(lambda: line.status().port_open)
            pos.write(QUESTION)
            assert printer.read(3) == QUESTION
            printer.write(READY)
            assert pos.read(1) == READY
            for place in range(len(RECEIPT)):
                pos.write(RECEIPT[place : place + 1])
                assert printer.read(1) == RECEIPT[place : place + 1], (
                    "each byte goes on before the next comes"
                )
            wait_until(lambda: till.booked == [PAID])
            assert pos.is_quiet(), "we say nothing of our own"
    finally:
        pos.close()
        printer.close()


def test_a_dead_printer_does_not_stop_the_hearing_and_is_found_again() -> None:
    pos, printer = Terminal(), Terminal()
    printers = [printer]

    def open_printer() -> Port:
        if not printers:
            raise PortRefused("PORT_MISSING", "printer", "unplugged", "plug it in")
        return open_port(PortSpec(printers[-1].path, pty=True))

    session, till = EscposTapSession("1", _options("pass_through")), Till()
    spec = PortSpec(pos.path, pty=True)
    try:
        with serving(lambda: PassThroughPort(open_port(spec), open_printer), session, till) as line:
            wait_until(lambda: line.status().port_open)
            pos.write(QUESTION)
            assert printer.read(3) == QUESTION
            printers.clear()
            printer.close()
            pos.write(RECEIPT)
            wait_until(lambda: till.booked == [PAID])
            printers.append(Terminal())
            pos.write(QUESTION)
            assert printers[0].read(3) == QUESTION
            assert line.status().port_open
    finally:
        pos.close()
        printers[0].close()


def test_a_pos_that_is_unplugged_ends_the_line_and_not_the_printer() -> None:
    pos, printer = Terminal(), Terminal()
    port = open_port(PortSpec(f"{pos.path} -> {printer.path}", pty=True))
    try:
        pos.close()
        with pytest.raises(PortGone):
            port.read()
        port.close()
        again = open_port(PortSpec(printer.path, pty=True))
        again.close()
    finally:
        printer.close()


def test_a_printer_that_takes_nothing_holds_nobody_up_and_memory_stays() -> None:
    pos, printer = Terminal(), Terminal()
    port = open_port(PortSpec(f"{pos.path} -> {printer.path}", pty=True))
    assert isinstance(port, PassThroughPort)
    data = random.Random(7).randbytes(KEPT_BYTES * 2)
    writer = threading.Thread(target=pos.write, args=(data,))
    writer.start()
    try:
        heard = b""
        while len(heard) < len(data):
            heard += port.read()
        assert heard == data
        assert port.counters["TO_PRINTER_DROPPED"] > 0
        assert len(port._to_printer) <= KEPT_BYTES
        kept = len(data) - port.counters["TO_PRINTER_DROPPED"]
        printed = b""
        while len(printed) < kept:
            if printer.is_quiet():
                woken, _, _ = select.select([port.fileno()], [], [], WAIT_LIMIT_S)
                assert woken, "a printer that goes on wakes the line, though the POS is quiet"
                port.read()
            else:
                printed += printer.read(1)
        assert printed == data[:kept], "what was kept is printed in order, once the printer goes on"
    finally:
        writer.join()
        port.close()
        pos.close()
        printer.close()


def test_half_a_receipt_is_not_printed_by_the_printer_that_comes_back() -> None:
    pos, printers = Terminal(), [Terminal()]

    def open_printer() -> Port:
        if not printers:
            raise PortRefused("PORT_MISSING", "printer", "unplugged", "plug it in")
        return open_port(PortSpec(printers[-1].path, pty=True))

    port = PassThroughPort(open_port(PortSpec(pos.path, pty=True)), open_printer)
    data = random.Random(8).randbytes(KEPT_BYTES)
    writer = threading.Thread(target=pos.write, args=(data,))
    writer.start()
    try:
        heard_bytes = 0
        while heard_bytes < len(data):
            heard_bytes += len(port.read())
        assert port._to_printer, "the printer took less than all"
        printers.pop().close()
        while not port.counters["PRINTER_GONE"]:
            port.read()
        printers.append(Terminal())
        pos.write(QUESTION)
        heard = b""
        while heard != QUESTION:
            heard += port.read()
        assert printers[0].read(3) == QUESTION
        port.read()
        assert printers[0].is_quiet()
    finally:
        writer.join()
        port.close()
        pos.close()
        printers[0].close()


@pytest.mark.parametrize("device", ["/dev/x -> socket://h:1", "udp://230.0.0.1:1 -> /dev/x"])
def test_only_device_files_stand_in_a_printers_cable(device: str) -> None:
    with pytest.raises(PortRefused, match="PORT_SETTINGS"):
        open_port(PortSpec(device))


def test_a_receipt_is_read_without_a_printer_at_all() -> None:
    pos = Terminal()
    port = open_port(PortSpec(f"{pos.path} -> /dev/no-such-printer", pty=True))
    assert isinstance(port, PassThroughPort)
    try:
        pos.write(b"abc")
        heard = b""
        while len(heard) < 3:
            heard += port.read()
        assert heard == b"abc"
        assert port.counters["PORT_MISSING"] >= 2, "it was tried again when the POS spoke"
        with pytest.raises(AssertionError, match="between a POS and its printer"):
            port.write(b"x")
    finally:
        port.close()
        pos.close()


def test_beside_the_cable_receipts_are_read_and_nothing_is_said() -> None:
    """One port on the POS's wire to its printer: the printer answers, and needs us for nothing."""
    pos, session, till = Terminal(), EscposTapSession("1", _options("pass_through")), Till()
    spec = PortSpec(pos.path, pty=True, listen_only=True)
    try:
        with serving(lambda: open_port(spec), session, till) as line:
            wait_until(lambda: line.status().port_open)
            pos.write(QUESTION + RECEIPT)
            wait_until(lambda: till.booked == [PAID])
            assert pos.is_quiet()
    finally:
        pos.close()


def test_the_cashier_on_the_receipts_is_nowhere_in_store_log_and_counters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    options, database = _options("second_printer"), tmp_path / "station.db"
    stage = SimulatorOnPty(PrintingPos(options), clock)
    goods = (BasketLine("矿泉水", 2_000, 400),)
    try:
        with station(database) as desk:
            session = EscposTapSession("1", options)
            with serving(
                lambda: open_port(PortSpec(stage.path, pty=True)),
                session,
                lambda e, at: desk.report("p", e, at),
            ) as line:
                stage.act(lambda pos: pos.print_sale(goods, clock(), pump="01", fuel_fen=9_000))
                stage.act(lambda pos: pos.print_text(("x",), clock()))
                wait_until(lambda: bool(rows(database, "SELECT * FROM pos_sale")))
                wait_until(lambda: session.counters().get("RECEIPT_UNMATCHED", 0) > 0)
                said = repr(line.status()) + repr(session.counters())
    finally:
        stage.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert "矿泉水".encode() in kept, "the search can find something"
    assert "DEVICE_BACK" in caplog.text
    for encoding in ("utf-8", "gb18030", "utf-16-le"):
        assert CASHIER.encode(encoding) not in kept
    assert CASHIER not in said + caplog.text
