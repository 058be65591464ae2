"""Integration: does a question of a till reach one of several workers, and the answer come back to it?"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import questions, topics
from sync.broker import Broker, Kind, start_broker
from sync.mqtt import Arrived, Link, LinkEvent, Opened, Outgoing, Subscribed
from tests.integration.hq.road import Road, address
from tests.unit.hq.stand import HQ_KEY, Hq, Station, award, fuelling

ASKED = 12


@pytest.fixture(params=["mosquitto", "iotcore"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    kind: Kind = request.param
    with start_broker(kind, tmp_path / "broker") as broker:
        yield broker


def test_questions_are_answered_under_their_own_correlation(broker: Broker, tmp_path: Path) -> None:
    station = Station()
    station.write(fuelling("f1"), award("a1", of=1))
    hq = Hq(tmp_path / "hq.db", station)
    hq.take(station, station.seal(1, 2))
    road = Road(tmp_path / "hq.db", broker.url, station)
    road.worker()
    road.worker()
    link = Link(address(broker.url), None, "till", 5)
    try:
        link.open()
        wait_for(link, Opened)
        link.subscribe(*topics.station_filters(station.name))
        wait_for(link, Subscribed)
        for n in range(ASKED):
            ask = questions.AuthoriseAsk(
                station=station.name, nonce=f"{n:032x}", redemption=f"r{n}", member="m1", minor=150, at_ms=1
            )
            question = Outgoing(
                topics.rpc(station.name, topics.REDEMPTION_AUTHORISE),
                questions.sign_authorise_ask(ask, station.key.sign),
                response_topic=topics.down_rpc(station.name),
                correlation=f"authorise:{n:032x}".encode(),
                expiry_s=questions.EXPIRES_S,
            )
            link.publish(question)
        answers = [heard(link) for _ in range(ASKED)]
    finally:
        link.close(with_will=False)
        road.close()
    assert {answer.redemption for answer in answers} == {f"r{n}" for n in range(ASKED)}
    allowed = [answer for answer in answers if not answer.code]
    assert len(allowed) == 6, "1,000 points, 150 each, whichever worker was asked"
    assert {answer.code for answer in answers} == {"", "POINTS_LENT"}
    with hq.store.read() as tx:
        assert len(tx.rights.holds("m1")) == 6
    hq.store.close()


def wait_for(link: Link, wanted: type[LinkEvent], seconds: float = 20.0) -> LinkEvent:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        event = link.next_event(0.1)
        if isinstance(event, wanted):
            return event
    raise AssertionError(f"no {wanted.__name__}")


def heard(link: Link) -> questions.AuthoriseReply:
    """The next answer, verified, and under the correlation of its own question."""
    message = wait_for(link, Arrived)
    assert isinstance(message, Arrived)
    link.accept(message)
    assert message.topic == topics.down_rpc("cn-0001")
    answer = questions.open_authorise_reply(message.payload, [HQ_KEY.public.verify])
    assert isinstance(answer, questions.AuthoriseReply)
    assert message.correlation == f"authorise:{answer.nonce}".encode()
    return answer
