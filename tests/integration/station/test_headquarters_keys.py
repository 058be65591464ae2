"""Integration: do both ends follow each other through new keys and certificates, whatever is killed?

Agent, `hq serve` and broker are processes; keys are changed by the commands of headquarters alone.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.app.certificate_files import IN_USE
from agent.app.station_keys import NEXT_KEY
from agent.messages.snapshot import Member
from sync import topics, wire
from sync.certificates import Identity, read_identity
from sync.down import Down, sign_down
from sync.envelope import GENESIS, encode_head
from sync.keys import SigningKey, read_key
from tests.integration.cli.small_station import forecourt
from tests.integration.station.both_ends import CLOCK, STATION, BothEnds, until
from tests.integration.station.headquarters import stranger_says
from tests.integration.station.test_headquarters_rules import without_weekday

HARMLESS = {"what": "redemptions", "until_ms": 0, "reason": "over"}
MINUTE_MS = 60_000


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., BothEnds]]:
    """Both ends, not running yet."""
    made: list[BothEnds] = []

    def both_ends(*, guarded: bool = False) -> BothEnds:
        made.append(BothEnds(tmp_path / "ends", guarded=guarded))
        return made[-1]

    yield both_ends
    for ends in made:
        ends.close()


def open_for_business(ends: BothEnds, *more: str) -> None:
    ends.start_hq(1, *more)
    ends.start_agent()
    ends.publish_rules(without_weekday())
    ends.publish_members(1, Member(member="m-0001", tier="basic"))
    ends.is_obeyed()
    assert ends.lag()["refused"] == 0


def key_of(path: Path) -> SigningKey:
    key = read_key(path)
    assert isinstance(key, SigningKey)
    return key


def test_three_rotations_while_the_station_is_off_are_followed_and_the_old_keys_are_refused(
    make: Callable[..., BothEnds],
) -> None:
    ends = make()
    open_for_business(ends)
    ends.sell(1, 10_000)
    ends.agree("m-0001")
    first = ends.keys
    ends.end("agent")
    ends.publish("pause", HARMLESS, "--id", "before-the-rotations")
    for version in (2, 3, 4):
        new = ends.folder / f"keys-{version}"
        told = ends.hq("keys", "rotate", str(ends.keys), str(new), "--no-overlap")
        assert (told["version"], told["signed_again"]) == (version, 1)
        ends.keys = new
    ends.end_hq()
    ends.start_hq()
    ends.start_agent()
    ends.is_obeyed()
    assert ends.verdicts()[-1] == ("before-the-rotations", "")
    assert ends.status()["orders"]["keys_version"] == 4
    assert ends.sell(1, 10_000).points_minor == 2_000
    ends.obeyed("pause", HARMLESS)
    ends.agree("m-0001")
    said_by_old_keys(ends, first)
    ends.end("agent", kill=True)
    ends.start_agent()
    assert ends.status()["orders"]["keys_version"] == 4, "the lists are in its books"
    ends.obeyed("pause", HARMLESS)


def said_by_old_keys(ends: BothEnds, old: Path) -> None:
    """Who has an old key and the broker is not obeyed; headquarters' own command does not sign with one."""
    seq, now = ends.status()["orders"]["seq"], CLOCK.wall_ms()
    said = {"station": STATION, "down_seq": seq + 1, "id": "old", "kind": "pause", "issued_at_ms": now}
    order = Down.model_validate(said | {"not_after_ms": now + MINUTE_MS, "body": HARMLESS})
    stranger_says(ends.broker, topics.down_items(STATION), sign_down(order, key_of(old / "down.key")))
    until(lambda: ends.status()["road"]["refused"].get("DOWN_UNTRUSTED") == 1, "the old key to be refused")
    head = encode_head(GENESIS)
    ack = {"station": STATION, "epoch": 1, "stream": "ledger", "seq": 0, "head": head, "hq_time_ms": now}
    forged = wire.sign_ack(wire.Ack.model_validate(ack), key_of(old / "ack.key").sign)
    stranger_says(ends.broker, topics.ack(STATION), forged)
    until(lambda: ends.status()["road"]["refused"].get("ACK_BAD_SIGNATURE") == 1, "the ack to be refused")
    assert ends.status()["orders"]["seq"] == seq
    until(lambda: ends.rows("SELECT 1 FROM outbox WHERE kind = 'down.refused'"), "headquarters to be told")
    mistaken = ("--station", STATION, "--key", str(old / "down.key"))
    file = ends.folder / "order.json"
    file.write_text(json.dumps(HARMLESS))
    shown = forecourt("hq", "publish", "pause", str(file), *mistaken, "--db", ends.db)
    assert shown.stderr.startswith("KEYS_TOO_FEW"), shown


def test_a_station_killed_at_every_step_of_a_new_signing_key_ends_with_it_and_the_old_one_is_refused(
    make: Callable[..., BothEnds],
) -> None:
    ends = make()
    open_for_business(ends)
    ends.sell(1, 10_000)
    ends.agree("m-0001")
    following, old = ends.state / NEXT_KEY, ends.station_key
    ends.publish("rotate", None)
    until(following.exists, "the next key")
    ends.end("agent", kill=True)  # it may or may not be told in the books yet
    ends.start_agent()
    until(lambda: ends.rows("SELECT 1 FROM outbox WHERE kind = 'station.key'"), "it to be told")
    ends.end("agent", kill=True)  # headquarters may or may not have heard it
    ends.start_agent()
    new = key_of(following) if following.exists() else key_of(ends.state / "station.key")
    ends.drain()
    ends.end("agent", kill=True)  # it may or may not have switched
    ends.start_agent()
    until(lambda: not following.exists(), "the switch")
    ends.end("agent", kill=True)  # headquarters may not have heard the new one yet
    ends.start_agent()
    assert key_of(ends.state / "station.key").seed == new.seed != old.seed
    until(
        lambda: ends.hq("station", "list")["stations"][STATION] == new.public.text, "headquarters to follow"
    )
    assert ends.sell(1, 10_000).points_minor == 2_000
    ends.obeyed("pause", HARMLESS)
    ends.agree("m-0001")
    before = ends.alarms().get("BAD_SIGNATURE", (0, ""))[0]
    ask = wire.HelloAsk(station=STATION, epoch=1, nonce="a" * 32, agent_version="1", streams=())
    stranger_says(ends.broker, topics.rpc(STATION, topics.HELLO), wire.sign_hello_ask(ask, old.sign))
    until(lambda: ends.alarms().get("BAD_SIGNATURE", (0, ""))[0] == before + 1, "the old key to be refused")


def test_a_certificate_with_ten_days_left_is_renewed_by_headquarters_over_the_link(
    make: Callable[..., BothEnds],
) -> None:
    """The broker runs with the shipped configuration: TLS 1.3, mTLS, rights by the certificate's name."""
    ends = make(guarded=True)
    ends.enroll(days=10)
    former = identity(ends.folder / "certificate.pem")
    open_for_business(ends, "--ca-folder", str(ends.ca), "--down-key", str(ends.keys / "down.key"))
    in_use = ends.state / IN_USE
    until(lambda: identity(in_use).serial != former.serial, "the new certificate to be in use")
    until(lambda: ends.status()["road"]["mode"] == "online", "the road by the new certificate")
    standing = ends.status()["certificate"]
    assert (standing["days_left"] > 300, standing["trouble"], standing["is_asked_for"]) == (True, "", False)
    assert ends.sell(1, 10_000).points_minor == 2_000
    ends.agree("m-0001")
    assert ends.lag()["refused"] == 0
    assert len(ends.rows("SELECT 1 FROM outbox WHERE kind = 'certificate.request'")) == 1


def identity(path: Path) -> Identity:
    found = read_identity(path.read_bytes())
    assert isinstance(found, Identity)
    return found
