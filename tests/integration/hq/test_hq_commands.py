"""Integration: do the commands of headquarters make, check, sign and show what they say?"""

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.down import Down
from sync.hq.keys import Wish, make_keys, read_keys, record_pinned
from sync.hq.metrics import HqMetrics
from sync.keys import PublicKey, SigningKey, read_key
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, open_document
from sync.trust import ROLES, Trust, advance, pinned
from tests.integration.hq.road import ROOT
from tests.unit.hq.down_stand import HOUR_MS, Headquarters, items_of
from tests.unit.hq.stand import NOW_MS, Station

BUNDLE = ROOT / "config" / "samples" / "demo-cn.bundle.toml"


class Office:
    """A database with two stations, a folder of keys, and the commands run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stations = (Station(), Station("cn-0002", b"T"))
        self.hq = Headquarters(folder / "hq.db", *self.stations)
        self.keys = folder / "keys"
        self.down_key = str(self.keys / "down.key")

    def run(self, *arguments: str, said: str = "", code: int = 0) -> dict[str, Any]:
        """One JSON object that the command answers with."""
        command = [sys.executable, "-m", "agent.cli", "hq", *arguments, "--json"]
        command += ["--db", f"sqlite:///{self.folder}/hq.db"]
        shown = subprocess.run(command, cwd=ROOT, input=said, capture_output=True, text=True)
        assert shown.returncode == code, shown.stderr
        return dict(json.loads(shown.stdout))

    def publish(self, *arguments: str, said: str = "", code: int = 0) -> dict[str, Any]:
        return self.run("publish", *arguments, "--key", self.down_key, said=said, code=code)

    def init(self) -> None:
        """What `hq keys init` does, without starting a program for it."""
        assert make_keys(self.keys, dict.fromkeys(ROLES, 1)) is None
        made = read_keys(self.keys)
        assert not isinstance(made, Refusal)
        assert record_pinned(self.hq.store, made, Wish("demo-cn", 1, 1, overlap=True), NOW_MS)

    def public(self, name: str) -> PublicKey:
        key = read_key(self.keys / name)
        assert isinstance(key, SigningKey)
        return key.public

    def items(self, station: Station, down_seq: int = 0) -> list[Down]:
        replies = self.hq.hello(station, down_seq)
        return items_of(replies, station, [self.public("down.key")])


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.hq.store.close()


def test_keys_are_made_listed_rotated_and_exported(office: Office, tmp_path: Path) -> None:
    assert office.run("keys", "list")["versions"] == []
    made = office.run("keys", "init", str(office.keys), "--programme", "demo-cn")
    named = made["public_keys"]
    assert set(named) == {"hq-ack", "hq-down", "hq-documents"}
    assert (
        office.run("keys", "init", str(tmp_path / "more"), "--programme", "x", code=1)["reason"]
        == "KEYS_BEGUN"
    )
    rotated = office.run("keys", "rotate", str(office.keys), str(tmp_path / "new"), "--role", "down")
    assert rotated == {"ok": True, "version": 2, "signed_again": 0}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["down.key"]
    first, second = office.run("keys", "list")["versions"]
    assert set(first["keys"]["down"]) == set(named.values())
    assert len(second["keys"]["down"]) == 2
    assert second["keys"]["ack"] == [named["hq-ack"]]
    office.run("keys", "export", "--to", str(tmp_path / "keys.json"))
    trust = pinned([_public(text) for text in named.values()], 1, 1)
    following = advance(trust, (tmp_path / "keys.json").read_bytes(), "demo-cn")
    assert isinstance(following, Trust)
    assert following.version == 2


def _public(text: str) -> PublicKey:
    key = PublicKey.from_text(text)
    assert isinstance(key, PublicKey)
    return key


def test_a_rotation_without_overlap_signs_anew_what_waits(office: Office, tmp_path: Path) -> None:
    office.init()
    office.publish("rotate", "--all")
    new = tmp_path / "new"
    rotated = office.run("keys", "rotate", str(office.keys), str(new), "--no-overlap")
    assert rotated["signed_again"] == 2
    new_key = read_key(new / "down.key")
    assert isinstance(new_key, SigningKey)
    station = office.stations[0]
    [down] = items_of(office.hq.hello(station), station, [new_key.public])
    assert down.kind == "rotate"


def test_a_command_is_checked_signed_and_numbered_per_station(office: Office) -> None:
    office.init()
    body = json.dumps({"what": "redemptions", "until_ms": 1, "reason": "asked"})
    answer = office.publish("pause", "-", "--all", "--for", "PT2H", "--id", "case-7", said=body)
    assert answer["issued"] == [
        {"station": "cn-0001", "down_seq": 1, "id": "case-7", "new": True},
        {"station": "cn-0002", "down_seq": 1, "id": "case-7", "new": True},
    ]
    again = office.publish("pause", "-", "--station", "cn-0002", "--id", "case-7", said=body)
    assert again["issued"] == [{"station": "cn-0002", "down_seq": 1, "id": "case-7", "new": False}]
    [down] = office.items(office.stations[0])
    assert (down.kind, down.body) == ("pause", json.loads(body))
    assert down.not_after_ms - down.issued_at_ms in range(2 * HOUR_MS - 60_000, 2 * HOUR_MS + 1)


def test_toml_is_taken_too(office: Office, tmp_path: Path) -> None:
    office.init()
    file = tmp_path / "prices.toml"
    file.write_text('version = 3\nvalid_from_ms = 1800000000000\nprices = [["petrol-92", 7850]]\n')
    office.publish("prices", str(file), "--station", "cn-0001")
    [down] = office.items(office.stations[0])
    assert (down.kind, down.body["prices"]) == ("price.table", [["petrol-92", 7850]])


@pytest.mark.parametrize(
    ("arguments", "said", "code", "reason"),
    [
        (("pause", "-", "--all"), '{"what": "redemptions"}', 1, "BAD_BODY"),
        (("freeze", "-", "--all"), '{"member": "m-1", "reason": "asked"}', 2, "BAD_WORD"),
        (("grant", "-", "--all"), "{}", 2, "BAD_WORD"),
        (("adjust", "-", "--all"), '{"member": "m", "minor": 0, "reason": "x"}', 1, "BAD_BODY"),
        (("pause", "-", "--all"), "{", 1, "FILE_UNREADABLE"),
        (("pause", "nowhere.json", "--all"), "", 1, "FILE_UNREADABLE"),
        (("explode", "-", "--all"), "{}", 2, "BAD_WORD"),
        (("rotate",), "", 2, "NO_STATION"),
        (("rotate", "--all", "--for", "soon"), "", 1, "BAD_DURATION"),
        (("rotate", "--station", "cn-0009"), "", 1, "UNKNOWN_STATION"),
        (("bundle", str(BUNDLE), "--all"), "", 1, "KEYS_MISSING"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_issued(
    office: Office, arguments: tuple[str, ...], said: str, code: int, reason: str
) -> None:
    office.init()
    assert office.publish(*arguments, said=said, code=code)["reason"] == reason
    assert [office.items(station) for station in office.stations] == [[], []]


def test_rules_go_down_as_a_document_and_are_retained(office: Office, tmp_path: Path) -> None:
    office.init()
    signer = ("--documents-key", str(office.keys / "documents.key"))
    office.publish("bundle", str(BUNDLE), "--all", *signer)
    [down] = office.items(office.stations[1])
    document = base64.b64decode(down.body["document"])
    payload = open_document(document, BUNDLE_TYPE, [office.public("documents.key")])
    assert payload == BUNDLE.read_bytes()
    [retained] = [reply for reply in office.hq.receiver.due() if reply.retain]
    assert (retained.topic, retained.payload) == ("fs/v1/all/bundle/demo-cn", document)
    other = tmp_path / "other.toml"
    other.write_bytes(BUNDLE.read_bytes() + b"\n# other bytes under the same version\n")
    assert office.publish("bundle", str(other), "--all", *signer, code=1)["reason"] == "EDITION_TAKEN"
    signed = tmp_path / "signed.json"
    signed.write_bytes(document)
    assert office.publish("bundle", str(signed), "--all", "--id", "again")["issued"][0]["down_seq"] == 2
    assert office.publish("rollout", str(signed), "--all", code=1)["reason"] == "BAD_DOCUMENT"


def test_members_of_one_station_go_to_no_other(office: Office, tmp_path: Path) -> None:
    office.init()
    file = tmp_path / "members.json"
    members = {"schema": "members/1", "station": "cn-0001", "programme": "demo-cn", "version": 1}
    file.write_text(json.dumps(members | {"issued_at_ms": 1, "members": []}))
    signer = ("--documents-key", str(office.keys / "documents.key"))
    assert office.publish("members", str(file), "--all", *signer, code=1)["reason"] == "OTHER_STATION"
    office.publish("members", str(file), "--station", "cn-0001", *signer)
    assert [down.kind for down in office.items(office.stations[0])] == ["document"]
    assert office.items(office.stations[1]) == []


def test_lag_stations_and_status_show_the_road_down(office: Office) -> None:
    office.init()
    office.publish("rotate", "--all")
    station = office.stations[0]
    office.hq.clock.now_ms = office.items(station)[0].issued_at_ms + 700
    office.hq.apply(station, *office.items(station))
    here, there = office.run("lag")["stations"]
    assert (here["issued_seq"], here["obeyed_seq"], here["waiting"], here["p95_ms"]) == (1, 1, 0, 700)
    assert (there["waiting"], there["p95_ms"], there["stale"]) == (1, None, False)
    assert office.run("status")["down"] == {"waiting": 1, "stale": []}
    assert [line["online"] for line in office.run("stations")["stations"]] == [False, False]


def test_figures_for_prometheus_are_given_on_this_machine_only(office: Office) -> None:
    office.init()
    office.publish("rotate", "--all")
    office.hq.take(office.stations[0], b'{"kind":"strange"}')
    metrics = HqMetrics(office.hq.store, office.hq.receiver.counters)
    metrics.observe(30)
    port = _free_port()
    end = metrics.serve(port)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            told = dict(
                line.rsplit(" ", 1)
                for line in answer.read().decode().splitlines()
                if not line.startswith("#")
            )
    finally:
        end()
    assert told["forecourt_hq_batches_total"] == "1.0"
    assert told["forecourt_hq_items_total"] == "1.0"
    assert told['forecourt_hq_alarms_total{code="MALFORMED"}'] == "1.0"
    assert told["forecourt_hq_stations"] == "2.0"
    assert told["forecourt_hq_stations_online"] == "0.0"
    assert told["forecourt_hq_down_unapplied"] == "2.0"
    assert told["forecourt_hq_waiting_items"] == "0.0"
    assert told['forecourt_hq_message_seconds_bucket{le="0.025"}'] == "0.0"
    assert told['forecourt_hq_message_seconds_bucket{le="0.05"}'] == "1.0"


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
