"""Conformance: over every bad wire, does a Hengshan session say anything but what reads and confirms?"""

import pytest

from drivers.conformance import run
from drivers.events import Monotonic
from drivers.faults import WIRES
from drivers.hengshan import DRIVER, codec, words
from drivers.hengshan.case import ListenCase, MasterCase
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.session import HengshanMaster
from drivers.session import Session
from tests.unit.drivers.hengshan.dispenser_desk import said


class Recorded(HengshanMaster):
    """Everything that it says is kept, across all sessions of a run."""

    spoken: list[bytes]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        if data:
            self.spoken.append(data)
        return data


@pytest.mark.parametrize("wire", WIRES)
def test_a_master_only_reads_and_confirms(wire: str) -> None:
    spoken: list[bytes] = []

    def open_session() -> Session:
        session = Recorded("1", HengshanOptions(mode="master", gap_ms=10))
        session.spoken = spoken
        return session

    case = MasterCase()
    case.open_session = open_session  # type: ignore[method-assign]
    report = run(DRIVER, "spoken", case, WIRES[wire], 5)
    assert not report.failures, report.explain()
    frames = [said(data) for data in spoken]
    assert {frame.code for frame in frames} == {codec.TOTALS, codec.SALE, codec.CONFIRM}
    assert all(frame.data == b"" or words.asked_number(frame) is not None for frame in frames)
    assert {frame.number for frame in frames} == set(range(17))
    if WIRES[wire].invents_nothing():
        assert case.simulator.forbidden_heard == []


def test_a_listener_says_nothing() -> None:
    """The kit fails a tap that speaks; here its port would not even let it."""
    report = run(DRIVER, "listen", ListenCase(), WIRES["all_at_once"], 5)
    assert not report.failures, report.explain()
    assert DRIVER.listens(HengshanOptions())
