"""Property: whatever copy of a station's database is put back: does HQ hold each thing exactly once?"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.envelope import decode_head
from tests.unit.hq.stand import Hq, Station, award, fuelling

SELLING = ("sell", "sell", "award", "award", "again", "send", "send", "lose ack", "send far")
TROUBLE = ("copy", "restore", "late", "hello")
DEEDS = st.sampled_from(SELLING + TROUBLE)
HISTORIES = st.lists(st.tuples(DEEDS, st.integers(0, 2**16)), max_size=60)


class Forecourt:
    """One station through its incarnations. Fuelling n costs n yuan, so a wrong row gives wrong points."""

    def __init__(self, hq: Hq, station: Station) -> None:
        self.hq, self.station = hq, station
        self.watermark = 0
        self.copies = [(station, 0, 0)]
        self.past: list[Station] = []
        self.linked: dict[int, tuple[Station, int]] = {}
        """By epoch, how far HQ said it holds that incarnation."""
        self.pumped = 0

    def do(self, deed: str, number: int) -> None:
        match deed:
            case "sell":
                self.pumped += 1
                self._write_fuelling(self.pumped)
            case "award":
                self._award(number)
            case "again":
                lost = sorted(set(range(1, self.pumped + 1)) - set(self._fuellings()))
                if lost:
                    self._write_fuelling(lost[number % len(lost)])
            case "send" | "lose ack" | "send far":
                self._send(deed, number)
            case "copy":
                self.copies.append((self.station, len(self.station.bodies), self.watermark))
            case "restore":
                self._restore(*self.copies[number % len(self.copies)])
            case "late" if self.past:
                old = self.past[number % len(self.past)]
                if old.bodies:
                    assert self.hq.take(old, old.seal(1, min(len(old.bodies), 100))) is None
            case "hello":
                self._hello()

    def drain(self) -> None:
        while self.watermark < len(self.station.bodies):
            self._send("send", 99)

    def ids_held(self, kind: str) -> set[str]:
        """What HQ has said it holds, by the station's own rows."""
        rows = [
            json.loads(body)
            for incarnation, seq in self.linked.values()
            for body in incarnation.bodies[incarnation.fork[0] : seq]
        ]
        return {row["id"] for row in rows if row["kind"] == kind}

    def _fuellings(self) -> dict[int, int]:
        """Number to seq, of what the present database holds."""
        rows = ((seq, json.loads(body)) for seq, body in enumerate(self.station.bodies, 1))
        return {int(row["id"][1:]): seq for seq, row in rows if row["kind"] == "fuelling"}

    def _write_fuelling(self, n: int) -> None:
        self.station.write(fuelling(f"f{n}", amount_fen=100 * n))

    def _award(self, number: int) -> None:
        held = self._fuellings()
        given_to = {json.loads(body)["id"] for body in self.station.bodies}
        open_ = [n for n in held if f"a{n}" not in given_to]
        if open_:
            n = open_[number % len(open_)]
            self.station.write(award(f"a{n}", of=held[n], minor=10 * n))

    def _send(self, deed: str, number: int) -> None:
        written, fork_seq = len(self.station.bodies), self.station.fork[0]
        first = max(fork_seq, self.watermark - number % 3) + 1 + (2 if deed == "send far" else 0)
        last = min(written, first + number % 100)
        if first > last:
            return
        ack = self.hq.take(self.station, self.station.seal(first, last))
        assert ack is not None
        assert decode_head(ack.head) == self.station.heads[ack.seq]
        self.linked[self.station.epoch] = (self.station, ack.seq)
        if deed != "lose ack":
            self.watermark = ack.seq

    def _restore(self, copy: Station, kept: int, watermark: int) -> None:
        self.past.append(self.station)
        self.station = copy.restored(self.station.epoch + 1, kept=kept, watermark=watermark)
        self.watermark = watermark
        self._hello()

    def _hello(self) -> None:
        reply = self.hq.hello(self.station)
        assert reply is not None
        assert reply.refused == ""
        [mark] = [one for one in reply.streams if one.stream == "ledger"]
        assert mark.seq >= self.watermark
        assert decode_head(mark.head) == self.station.heads[mark.seq]


@settings(deadline=None, max_examples=120)
@given(history=HISTORIES)
def test_each_fact_and_award_counts_once_over_all_restores(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int]]
) -> None:
    station = Station()
    hq = Hq(tmp_path_factory.mktemp("restores") / "hq.db", station)
    forecourt = Forecourt(hq, station)
    for deed, number in history:
        forecourt.do(deed, number)
    forecourt.drain()
    report = hq.store.reconcile(station.name)
    assert report is not None
    fuellings, awards = forecourt.ids_held("fuelling"), forecourt.ids_held("award")
    assert report.items("fuelling") == len(fuellings)
    assert report.items("award") == len(awards)
    assert report.minor("award") == sum(10 * int(one[1:]) for one in awards)
    assert report.verdicts("mismatch") == report.verdicts("malformed") == 0
    assert hq.store.chains(station.name).mismatched(forecourt.station.epoch) == 0
    mine = {json.loads(body)["id"] for body in forecourt.station.bodies}
    at_hq = [
        json.loads(b)["id"] for kind in ("fuelling", "award") for b in hq.store.bodies(station.name, kind)
    ]
    assert mine <= set(at_hq), "also what lies before the last fork"
    assert len(at_hq) == len(set(at_hq))
    assert {line.code for line in report.alarms} <= {"EPOCH_NEW", "EPOCH_OLD", "ENTITY_CONFLICT"}
    hq.store.close()
