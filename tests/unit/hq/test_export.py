"""Unit: does a consumer get every booked row in the order of its chain, and again only what is unsafe?"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.hq.export import BATCH, Exporter, FileSink, Parcel
from sync.hq.store import StreamKey
from sync.refusal import Refusal
from tests.unit.hq.stand import Hq, Station, award, fuelling


class Kept:
    """A sink in memory that can be told to refuse the next parcels."""

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []
        self.refuses = 0

    def take(self, parcel: Parcel) -> Refusal | None:
        self.parcels.append(parcel)
        if self.refuses:
            self.refuses -= 1
            return Refusal("TRIED", "")
        return None

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for parcel in self.parcels for line in parcel.lines.splitlines()]

    def places(self) -> list[tuple[str, int, str, int]]:
        return [(row["station"], row["epoch"], row["stream"], row["seq"]) for row in self.rows()]


@pytest.fixture
def station() -> Station:
    station = Station()
    for n in range(1, 6):
        station.write(fuelling(f"f{n}"), award(f"a{n}", of=2 * n - 1))
    return station


@pytest.fixture
def hq(tmp_path: Path, station: Station) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq.db", station)
    yield hq
    hq.store.close()


@pytest.fixture
def kept() -> Kept:
    return Kept()


def exporter(hq: Hq, sink: Any, name: str = "gateway") -> Exporter:
    return Exporter(hq.store, name, sink, lambda: False)


def test_a_row_says_what_hq_makes_of_it_and_what_the_station_signed(
    hq: Hq, station: Station, kept: Kept
) -> None:
    station.write(b"\xff rubbish", award("wrong", of=1, minor=7))
    hq.take(station, station.seal(1, 12))
    assert exporter(hq, kept).run() == 12
    fact, given, *_, rubbish, wrong = kept.rows()
    assert fact["body"].encode() == station.bodies[0]
    assert (fact["kind"], fact["entity"], fact["member"], fact["minor"]) == ("fuelling", "f1", None, 0)
    assert (given["member"], given["minor"], given["verdict"], given["counted"]) == ("m1", 1_000, "ok", True)
    assert base64.b64decode(rubbish["body_base64"]) == b"\xff rubbish"
    assert (rubbish["kind"], rubbish["verdict"], rubbish["counted"]) == ("?", "malformed", False)
    assert (wrong["verdict"], wrong["counted"]) == ("mismatch", True)


def test_what_waits_for_its_neighbour_is_not_handed_on_yet(hq: Hq, station: Station, kept: Kept) -> None:
    hq.take(station, station.seal(1, 2))
    hq.take(station, station.seal(5, 10))
    assert exporter(hq, kept).run() == 2
    hq.take(station, station.seal(3, 4))
    assert exporter(hq, kept).run() == 8
    assert [seq for *_, seq in kept.places()] == list(range(1, 11))
    assert exporter(hq, kept).run() == 0


def test_each_consumer_has_cursors_of_its_own(hq: Hq, station: Station, kept: Kept) -> None:
    hq.take(station, station.seal(1, 10))
    assert exporter(hq, kept, "erp").run() == 10
    assert exporter(hq, kept, "bi").run() == 10
    assert exporter(hq, kept, "erp").run() == 0
    with hq.store.read() as asked:
        assert asked.export.cursors("bi") == {StreamKey("cn-0001", 1, "ledger"): 10}


def test_a_refused_parcel_comes_again_under_the_same_name(hq: Hq, station: Station, kept: Kept) -> None:
    hq.take(station, station.seal(1, 10))
    kept.refuses = 1
    refusal = exporter(hq, kept).run()
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "TRIED"
    assert exporter(hq, kept).run() == 10
    first, second = kept.parcels
    assert first == second
    assert first.name == "gateway/cn-0001/1/ledger/1-10"


def test_chains_are_whole_and_an_epoch_begins_behind_its_fork(hq: Hq, station: Station, kept: Kept) -> None:
    hq.take(station, station.seal(1, 10))
    restored = station.restored(2, kept=8, watermark=6)
    hq.hello(restored)
    restored.write(fuelling("new"))
    hq.take(restored, restored.seal(7, 9))
    assert exporter(hq, kept).run() == 13
    assert kept.places() == [
        *(("cn-0001", 1, "ledger", seq) for seq in range(1, 11)),
        *(("cn-0001", 2, "ledger", seq) for seq in range(7, 10)),
    ]
    assert [row["verdict"] for row in kept.rows()[10:]] == ["duplicate", "duplicate", "ok"]


def test_a_long_chain_goes_in_parcels(hq: Hq, kept: Kept) -> None:
    station = Station()
    station.write(*(fuelling(f"f{n}") for n in range(BATCH + 50)))
    for first in range(1, BATCH + 50, 100):
        hq.take(station, station.seal(first, min(first + 99, BATCH + 50)))
    assert exporter(hq, kept).run() == BATCH + 50
    assert [(one.first_seq, one.last_seq) for one in kept.parcels] == [(1, BATCH), (BATCH + 1, BATCH + 50)]


def test_two_exporters_of_one_name_notice_each_other(hq: Hq, station: Station, kept: Kept) -> None:
    hq.take(station, station.seal(1, 4))

    class Overtaken(Kept):
        def take(self, parcel: Parcel) -> Refusal | None:
            assert exporter(hq, kept).run() == 4
            return super().take(parcel)

    refusal = exporter(hq, Overtaken()).run()
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "EXPORT_TAKEN"


def test_a_stopped_exporter_leaves_the_rest(hq: Hq, station: Station, kept: Kept) -> None:
    hq.take(station, station.seal(1, 10))
    assert Exporter(hq.store, "gateway", kept, lambda: True).run() == 0
    assert kept.parcels == []


@pytest.mark.parametrize("torn", [b'{"v":1,"sta', b"x" * 200_000])
def test_a_torn_line_is_taken_away_before_the_file_goes_on(
    hq: Hq, station: Station, tmp_path: Path, torn: bytes
) -> None:
    hq.take(station, station.seal(1, 4))
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"seq":0}\n' + torn)
    sink = FileSink(path)
    assert exporter(hq, sink).run() == 4
    sink.close()
    assert [json.loads(line)["seq"] for line in path.read_bytes().splitlines()] == [0, 1, 2, 3, 4]
