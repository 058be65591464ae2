"""Integration: do garbage, torn, late and repeated frames on every wire of a running station lose or double nothing?

Each is counted by a reason code in `status`; after each test every device has its records confirmed,
and station and headquarters hold each sale once.
"""

import random

import pytest
from tests.integration.station.odd_station import REGISTER, Pieces, odd_station

from agent.cli.demo.visits import MEMBERS
from drivers.checksums import xor_lrc
from drivers.companytec.codec import checked
from drivers.events import BasketLine, SalePaid
from drivers.pos_link.codec import ETX, MAX_DATA_BYTES, STX, frame
from drivers.pos_link.requests import write_request

MEMBER = MEMBERS[0][2]
DISTURBED = 24
"""Answers of the device: some seconds of polling, with sales in between."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with odd_station(tmp_path_factory.mktemp("odd")) as station:
        yield station


@pytest.fixture
def station(opened):
    yield opened
    opened.sell_everywhere()
    opened.is_unharmed()


def garbage(said: bytes) -> Pieces:
    """Noise before and after, from a seed that is the message itself."""
    rng = random.Random(said)
    yield 0, rng.randbytes(20) + said + rng.randbytes(20)


def torn(said: bytes) -> Pieces:
    yield 0, said[: len(said) // 2]


def flipped(said: bytes) -> Pieces:
    middle = len(said) // 2
    yield 0, said[:middle] + bytes((said[middle] ^ 0x04,)) + said[middle + 1 :]


def late(said: bytes) -> Pieces:
    """After the time in which it was waited for, and before what is asked next has its answer."""
    yield 700, said


def twice(said: bytes) -> Pieces:
    yield 0, said + said


CODES = {
    ("ring", garbage): "NOISE_BYTES",
    ("ring", torn): "NO_ANSWER",
    ("ring", flipped): "",
    ("ring", late): "LATE_ANSWER",
    ("ring", twice): "LATE_ANSWER",
    ("last", garbage): "NOISE_BYTES",
    ("last", torn): "NO_ANSWER",
    ("last", flipped): "BAD_FRAME",
    ("last", late): "LATE_ANSWER",
    ("last", twice): "LATE_ANSWER",
    ("cbc", garbage): "NOISE_BYTES",
    ("cbc", torn): "TORN_FRAME",
    ("cbc", flipped): "OTHER_FRAME",
    ("cbc", late): "UNASKED_FRAME",
    ("cbc", twice): "UNASKED_FRAME",
}
LINES = {"ring": ("island-1", "ring"), "last": ("island-2", "last"), "cbc": ("island-3", "08")}


@pytest.mark.parametrize(("device", "mangle"), CODES, ids=lambda one: getattr(one, "__name__", one))
def test_frames_of_a_device_that_are(station, device, mangle):
    line, where = LINES[device]
    stage = getattr(station, device)
    from tests.integration.station.odd_station import figures
    before = figures(station.stage.status())
    for _ in range(3):
        stage.act(lambda wire: wire.mangles.extend([mangle] * 4))
        station.sell(where)
        station.wait_until_booked()
    now = figures(station.stage.status())
    print(device, mangle.__name__, {k: now[k]-before[k] for k in now if now[k] != before[k] and line in k})
