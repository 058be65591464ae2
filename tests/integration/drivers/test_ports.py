"""Integration: on real pseudo-terminals, does a port hear both directions, itself not, and keep quiet?"""

import os
import select
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.ports import Port, PortGone, PortRefused, PortSpec, open_port


@dataclass
class Pair:
    """A pseudo-terminal: `path` is what the agent opens, `far` the descriptor of the other end."""

    far: int
    near: int
    path: str

    def unplug(self) -> None:
        if self.far >= 0:
            os.close(self.far)
            self.far = -1

    def close(self) -> None:
        self.unplug()
        os.close(self.near)


def _pair() -> Pair:
    far, near = os.openpty()
    tty.setraw(near)
    return Pair(far, near, os.ttyname(near))


@pytest.fixture
def pairs() -> Iterator[tuple[Pair, Pair]]:
    both = _pair(), _pair()
    yield both
    for pair in both:
        pair.close()


def _read(port: Port, size: int) -> bytes:
    """So many bytes, however they come."""
    data = b""
    while len(data) < size:
        assert select.select([port.fileno()], [], [], 5)[0], f"only {data!r} came"
        data += port.read()
    return data


def test_a_tapped_pair_is_one_stream_in_the_order_of_the_wire(pairs: tuple[Pair, Pair]) -> None:
    asking, answering = pairs
    port = open_port(PortSpec(asking.path, tap=answering.path, listen_only=True))
    heard = b""
    for number in range(100):
        os.write(asking.far, b"?%02d" % number)
        heard += _read(port, 3)
        os.write(answering.far, b"!%02d" % number)
        heard += _read(port, 3)
    port.close()
    assert heard == b"".join(b"?%02d!%02d" % (number, number) for number in range(100))


@pytest.mark.parametrize("unplugged", [0, 1])
def test_either_end_of_a_tapped_pair_may_be_unplugged(pairs: tuple[Pair, Pair], unplugged: int) -> None:
    port = open_port(PortSpec(pairs[0].path, tap=pairs[1].path, listen_only=True))
    pairs[unplugged].unplug()
    assert select.select([port.fileno()], [], [], 5)[0]
    with pytest.raises(PortGone):
        port.read()
    port.close()


def test_a_second_device_that_is_missing_gives_the_first_one_back(pairs: tuple[Pair, Pair]) -> None:
    with pytest.raises(PortRefused, match="PORT_MISSING"):
        open_port(PortSpec(pairs[0].path, tap="/dev/no-such-converter"))
    open_port(PortSpec(pairs[0].path)).close()  # exclusive: it would be busy otherwise


def test_who_may_only_listen_cannot_say_a_byte(pairs: tuple[Pair, Pair]) -> None:
    port = open_port(PortSpec(pairs[0].path, listen_only=True))
    with pytest.raises(AssertionError, match="may only listen"):
        port.write(b"\x50\x20\xfa")
    port.close()
    assert select.select([pairs[0].far], [], [], 0)[0] == []


@pytest.mark.parametrize(
    "pieces", [[b"askanswer"], [b"a", b"skanswer"], [b"askans", b"wer"], [b"ask", b"answer"]]
)
def test_an_echo_is_taken_out_and_the_answer_stays(pairs: tuple[Pair, Pair], pieces: list[bytes]) -> None:
    port = open_port(PortSpec(pairs[0].path, echo=True))
    assert port.write(b"ask") == 3
    heard = b""
    for piece in pieces:
        os.write(pairs[0].far, piece)
        assert select.select([port.fileno()], [], [], 5)[0]
        heard += port.read()
    assert heard == b"answer"
    port.close()


def test_what_comes_instead_of_the_echo_is_heard(pairs: tuple[Pair, Pair]) -> None:
    """Somebody else spoke into our question: what is left of it must fail the check, not vanish."""
    wire = pairs[0]
    port = open_port(PortSpec(wire.path, echo=True))
    port.write(b"ask")
    os.write(wire.far, b"aXk")
    assert _read(port, 3) == b"aXk"
    os.write(wire.far, b"ask")
    assert _read(port, 3) == b"ask"
    port.close()


@pytest.mark.parametrize("pieces", [[b"answer"], [b"a", b"nswer"]])
def test_an_answer_that_begins_like_its_question_is_whole_where_nothing_echoes(
    pairs: tuple[Pair, Pair], pieces: list[bytes]
) -> None:
    """As with Modbus: unit and function stand in front of both."""
    wire = pairs[0]
    port = open_port(PortSpec(wire.path, echo=True))
    port.write(b"ask")
    heard = b""
    for piece in pieces:
        os.write(wire.far, piece)
        assert select.select([port.fileno()], [], [], 5)[0]
        heard += port.read()
    assert heard == b"answer"
    port.close()


@pytest.mark.parametrize("bytesize", [7, 8])
def test_a_pseudo_terminal_is_opened_again_as_it_was(pairs: tuple[Pair, Pair], bytesize: int) -> None:
    """The kernel takes 7 bits once, and says EINVAL when nothing else changes."""
    for _ in range(3):
        open_port(PortSpec(pairs[0].path, 4_800, bytesize, "even", 2, pty=True)).close()


def test_a_file_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "pump"
    file.write_text("")
    for path in (file, tmp_path):
        with pytest.raises(PortRefused, match="name a serial port") as refused:
            open_port(PortSpec(str(path)))
        assert refused.value.code == "PORT_NO_DEVICE"


def test_a_refusal_names_the_device_once(tmp_path: Path) -> None:
    """pyserial tells number and path twice over."""
    with pytest.raises(PortRefused) as refused:
        open_port(PortSpec(str(tmp_path / "none")))
    assert str(refused.value) == (
        f"PORT_MISSING: {tmp_path / 'none'}: No such file or directory; "
        "plug the converter in, or name it by /dev/serial/by-id/"
    )
