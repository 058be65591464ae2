"""Unit: is every client of the control socket answered or cut off, and counted, whatever it says?"""

import json
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from agent.control import REQUEST_MS, Control


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        yield ours, theirs


def control(*, step_ms: int = 0) -> Control:
    """It knows one verb; its clock moves on by `step_ms` at every look."""
    times = count(0, step_ms)
    return Control(Path("unused"), {"echo": lambda request: {"ok": True, **request}}, lambda: next(times))


def answer(client: socket.socket) -> dict[str, object]:
    with client.makefile("rb") as lines:
        answered: dict[str, object] = json.loads(lines.readline())
    return answered


def test_a_request_is_answered_on_one_line(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b'{"verb": "echo", "word": 1}\n')
    server = control()
    server._serve(ours)
    assert answer(theirs) == {"ok": True, "verb": "echo", "word": 1}
    assert server.refused == {}


@pytest.mark.parametrize(
    "line", [b"\n", b"[" * 60_000 + b"\n", b"\xff\n", b'{"verb"\n', b"9" * 9_000 + b"\n"]
)
def test_what_is_no_json_is_refused(line: bytes, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(line)
    server = control()
    server._serve(ours)
    assert answer(theirs)["reason"] == "NOT_JSON"
    assert server.refused == {"NOT_JSON": 1}


@pytest.mark.parametrize(
    "line", [b"[]\n", b"{}\n", b'{"verb":["echo"]}\n', b'{"verb":{}}\n', b'{"verb":"no"}\n']
)
def test_what_is_no_verb_is_refused(line: bytes, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(line)
    server = control()
    server._serve(ours)
    assert answer(theirs)["reason"] == "UNKNOWN_VERB"
    assert server.refused == {"UNKNOWN_VERB": 1}


def test_who_says_it_byte_by_byte_is_cut_off(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"{")
    server = control(step_ms=REQUEST_MS // 2)
    server._serve(ours)
    assert answer(theirs)["reason"] == "TOO_SLOW_OR_LONG"
    assert server.refused == {"TOO_SLOW_OR_LONG": 1}


def test_who_goes_away_is_counted(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.settimeout(0)
    theirs.sendall(b'{"verb": "echo"}\n')
    theirs.close()
    server = control()
    server._serve(ours)
    assert server.refused == {"CLIENT_GONE": 1}
