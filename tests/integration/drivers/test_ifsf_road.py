"""Integration: on real sockets, does the road under `ifsf` find its device, carry every sale once, and notice
that nobody is there? Every address is of 127.0.0.0/8; time is passed in, or the line's own with a shift."""

import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

import pytest

from drivers.events import Fuelling, Monotonic
from drivers.ifsf.dispenser import Sale
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.ifsf.simulator import IfsfSimulator
from drivers.ifsf_road.heartbeat import Heartbeat, encode_heartbeat, parse_heartbeat
from drivers.ifsf_road.road import GONE_AFTER_MS, IfsfRoad, open_road
from drivers.line import Line
from drivers.ports import Port, PortGone, PortRefused, PortSpec, open_port
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, wait_until

US, DEVICE, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
BROADCAST = "127.255.255.255"
NODE_1 = b"\x01\x01"
OPTIONS = IfsfOptions(points=(1,), poll_ms=50, list_ms=500, gap_ms=1, answer_ms=500)


def _udp(address: str, port: int = 0) -> socket.socket:
    mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mouth.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    mouth.bind((address, port))
    mouth.settimeout(5)
    return mouth


@pytest.fixture
def udp_port() -> int:
    """A port that nobody has."""
    with _udp(US) as mouth:
        port: int = mouth.getsockname()[1]
    return port


def _place(udp_port: int, more: str = "") -> str:
    return f"ifsf://{US}:0?device=1&to={DEVICE}&udp={udp_port}{more}"


class DeviceEnd:
    """An adapter as seen: it takes one connection and answers on one of its own, to where the controller's
    heartbeat says. Its own heartbeat it says at boot and when the controller's comes."""

    def __init__(self, simulator: IfsfSimulator, udp_port: int) -> None:
        self.simulator = simulator
        self.lock = threading.Lock()
        self.beats_heard: list[Heartbeat] = []
        self._udp_port = udp_port
        self._ear = _udp(DEVICE, udp_port)
        self._door = socket.create_server((DEVICE, 0))
        self.port: int = self._door.getsockname()[1]
        self._asks: socket.socket | None = None
        self._answers: socket.socket | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._say_beat()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for link in (self._asks, self._answers, self._ear, self._door):
            if link is not None:
                link.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            watched = [self._ear, self._door] + ([] if self._asks is None else [self._asks])
            readable = select.select(watched, [], [], 0.01)[0]
            with suppress(ConnectionError):
                self._turn(readable)

    def _turn(self, readable: list[socket.socket]) -> None:
        now, asked = monotonic_ms(), b""
        if self._ear in readable:
            self._hear_beat(self._ear.recv(64))
        if self._asks in readable and self._asks is not None:
            asked = self._asks.recv(4_096)
            if not asked:
                self._hang_up()
        if self._door in readable:
            self._hang_up()
            self._asks = self._door.accept()[0]
        with self.lock:
            self.simulator.receive(asked, now)
            said = self.simulator.bytes_to_send(now)
        if said and self._answers is not None:
            self._answers.sendall(said)

    def _hear_beat(self, datagram: bytes) -> None:
        beat = parse_heartbeat(datagram)
        assert beat is not None
        self.beats_heard.append(beat)
        if self._answers is None:
            self._answers = socket.create_connection((beat.host, beat.port), 5, (DEVICE, 0))
        self._say_beat()

    def _say_beat(self) -> None:
        beat = Heartbeat(DEVICE, self.port, NODE_1, b"\x00")
        self._ear.sendto(encode_heartbeat(beat), (US, self._udp_port))

    def _hang_up(self) -> None:
        if self._asks is not None:
            self._asks.close()
            self._asks = None


class Witness(IfsfSimulator):
    """Notes in the ledger's own list when the device lets go of a sale."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(first_sequences=(9_990,), wants_receipts=True)
        self._ledger = ledger

    def receive(self, data: bytes, now: Monotonic) -> None:
        before = len(self.released)
        super().receive(data, now)
        for sale in self.released[before:]:
            self._ledger.order.append(("released", sale.sequence_no))


class Clock:
    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> Monotonic:
        return Monotonic(monotonic_ms() + self.ahead_ms)


@contextmanager
def _running(device: str, ledger: Ledger, clock: Clock) -> Iterator[Line]:
    stop, session = threading.Event(), IfsfSession("1", OPTIONS)
    line = Line("road", lambda: open_port(PortSpec(device)), session, ledger.report, clock, random.Random(1))
    thread = threading.Thread(target=line.run, args=(stop,))
    thread.start()
    try:
        yield line
    finally:
        stop.set()
        line.wake()
        thread.join(5)
        assert not thread.is_alive(), "the line did not stop"
        line.close()


@contextmanager
def _device(simulator: IfsfSimulator, udp_port: int) -> Iterator[DeviceEnd]:
    device = DeviceEnd(simulator, udp_port)
    try:
        yield device
    finally:
        device.close()


def _sell(device: DeviceEnd, rng: random.Random) -> Sale:
    volume_cl = rng.randrange(1, 9_000)
    with device.lock:
        return device.simulator.sell(1, rng.choice((1, 2)), volume_cl, volume_cl * 777 // 1_000, 7_770)


def _all_released(simulator: IfsfSimulator, count: int) -> Callable[[], bool]:
    return lambda: len(simulator.released) == count


def test_every_sale_arrives_once_and_is_cleared_after_commit(udp_port: int) -> None:
    ledger, rng, clock = Ledger(), random.Random(11), Clock()
    simulator = Witness(ledger)
    with _device(simulator, udp_port) as device, _running(_place(udp_port), ledger, clock) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        sold = [_sell(device, rng) for _ in range(20)]
        wait_until(_all_released(simulator, 20))
        assert line.status().counters["PORT_OPENED"] == 1
    assert {sale.sequence_no: sale.volume_cl * 10 for sale in sold} == {
        number: fuelling.volume_ml for number, fuelling in ledger.durable.items()
    }
    assert sum(isinstance(event, Fuelling) for event in ledger.events) == 20
    for sale in sold:
        committed = ledger.order.index(("committed", sale.sequence_no))
        assert committed < ledger.order.index(("released", sale.sequence_no))
    assert {(beat.host, beat.node_address) for beat in device.beats_heard} == {(US, b"\x02\x01")}


def test_a_device_that_comes_back_on_another_port_is_found_there(udp_port: int) -> None:
    ledger, rng, clock = Ledger(), random.Random(13), Clock()
    simulator, ports = Witness(ledger), []
    with _running(_place(udp_port), ledger, clock) as line:
        for turn in range(1, 4):
            with _device(simulator, udp_port) as device:
                ports.append(device.port)
                clock.ahead_ms += 10_000  # our next heartbeat: it tells the device where to answer
                _sell(device, rng)
                wait_until(_all_released(simulator, turn))
        assert line.status().counters["PORT_OPENED"] == 1
    assert len(set(ports)) == 3
    assert sum(isinstance(event, Fuelling) for event in ledger.events) == 3


def test_a_device_that_is_gone_is_noticed_and_found_again(udp_port: int) -> None:
    ledger, rng, clock = Ledger(), random.Random(17), Clock()
    simulator = Witness(ledger)
    with _running(_place(udp_port), ledger, clock) as line:
        with _device(simulator, udp_port):
            clock.ahead_ms += 10_000  # our next heartbeat
            wait_until(lambda: line.status().last_valid_heard_ms is not None)
        clock.ahead_ms += GONE_AFTER_MS
        wait_until(lambda: line.status().counters.get("PORT_GONE") == 1)
        assert "missed three heartbeats" in line.status().trouble
        clock.ahead_ms += 5_000  # from whatever the session heard last
        wait_until(lambda: line.status().silent_addresses == ("1",))
        with _device(simulator, udp_port) as device:
            clock.ahead_ms += 10_000
            _sell(device, rng)
            wait_until(_all_released(simulator, 1))
        assert line.status().counters["PORT_GONE"] == 1


# From here on without a line: time is passed in.


@pytest.fixture
def road(udp_port: int) -> Iterator[IfsfRoad]:
    road = open_road(_place(udp_port))
    yield road
    road.close()


@pytest.fixture
def ear(udp_port: int) -> Iterator[socket.socket]:
    """Where our heartbeats arrive, and from where the device's are said."""
    with _udp(DEVICE, udp_port) as ear:
        yield ear


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """Where the device takes connections."""
    with socket.create_server((DEVICE, 0)) as door:
        door.settimeout(5)
        yield door


def _pending(ear: socket.socket) -> list[Heartbeat | None]:
    beats = []
    while select.select([ear], [], [], 0)[0]:
        beats.append(parse_heartbeat(ear.recv(64)))
    return beats


def _listens_at(road: IfsfRoad, ear: socket.socket, now: int = 0) -> tuple[str, int]:
    """What our first heartbeat says, which stands where it belongs."""
    road.attend(Monotonic(now))
    beat = parse_heartbeat(ear.recv(64))
    assert beat is not None
    return beat.host, beat.port


def _hear(road: IfsfRoad) -> bytes:
    assert select.select([road.fileno()], [], [], 5)[0], "nothing came"
    return road.read()


def _is_quiet(road: IfsfRoad) -> bool:
    return not select.select([road.fileno()], [], [], 0.05)[0]


def _say_beat(mouth: socket.socket, port: int, udp_port: int, *, to: str = US, **other: object) -> None:
    said: dict[str, object] = {"host": DEVICE, "node_address": NODE_1, "status": b"\x00", **other}
    mouth.sendto(encode_heartbeat(Heartbeat(port=port, **said)), (to, udp_port))  # type: ignore[arg-type]


def _meet(road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int) -> socket.socket:
    """The device says where it is, and we connect: its end of the connection."""
    road.attend(Monotonic(0))
    _say_beat(ear, door.getsockname()[1], udp_port)
    assert _hear(road) == b""
    road.attend(Monotonic(0))
    link = door.accept()[0]
    link.settimeout(5)
    assert _hear(road) == b""
    return link


def test_our_heartbeat_goes_out_every_ten_seconds(road: IfsfRoad, ear: socket.socket) -> None:
    heard_at = []
    for now in range(5_000, 66_000, 500):
        road.attend(Monotonic(now))
        heard_at += [now] * len(_pending(ear))
    assert heard_at == [5_000, 15_000, 25_000, 35_000, 45_000, 55_000, 65_000]


def test_a_late_turn_makes_no_later_heartbeat_late_and_none_double(
    road: IfsfRoad, ear: socket.socket
) -> None:
    heard_at = []
    for now in (0, 9_999, 10_900, 19_999, 20_000, 75_000, 75_001, 84_999, 85_000):
        road.attend(Monotonic(now))
        heard_at += [now] * len(_pending(ear))
    assert heard_at == [0, 10_900, 20_000, 75_000, 85_000]


def test_our_heartbeat_names_the_port_that_takes_connections(road: IfsfRoad, ear: socket.socket) -> None:
    road.attend(Monotonic(0))
    (beat,) = _pending(ear)
    assert beat is not None
    assert (beat.host, beat.node_address, beat.status) == (US, b"\x02\x01", b"\x00")
    socket.create_connection((beat.host, beat.port), 5).close()


def test_a_heartbeat_or_a_byte_keeps_the_device_and_their_absence_ends_it(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    with _meet(road, ear, door, udp_port) as link:
        road.attend(Monotonic(GONE_AFTER_MS - 1))
        _say_beat(ear, door.getsockname()[1], udp_port)
        _hear(road)
        road.attend(Monotonic(40_000))
        link.sendall(b"anything")
        assert _hear(road) == b"anything"
        road.attend(Monotonic(60_000))
        road.attend(Monotonic(40_000 + GONE_AFTER_MS - 1))
        with pytest.raises(PortGone, match="three heartbeats"):
            road.attend(Monotonic(40_000 + GONE_AFTER_MS))


def test_a_device_that_was_never_heard_is_quiet_not_gone(road: IfsfRoad, ear: socket.socket) -> None:
    for now in range(0, 3_600_000, 60_000):
        road.attend(Monotonic(now))
        assert road.write(b"is anybody there") == 16
    assert _is_quiet(road)
    assert road.counters == {"SAID_TO_NOBODY": 60}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"\x7f\x00\x00\x02\x0d\xac\x01\x01\x01", "NO_HEARTBEAT"),
        (b"\x7f\x00\x00\x02\x0d\xac\x01\x01\x01\x00\x00", "NO_HEARTBEAT"),
        (b"\x7f\x00\x00\x02\x0d\xac\x01\x01\x02\x00", "NO_HEARTBEAT"),
        (b"", "NO_HEARTBEAT"),
        (b"\x7f\x00\x00\x02\x0d\xac\x01\x02\x01\x00", "OTHER_HEARTBEAT"),
        (b"\x7f\x00\x00\x02\x0d\xac\x02\x01\x01\x00", "OTHER_HEARTBEAT"),
        (b"\x7f\x00\x00\x03\x0d\xac\x01\x01\x01\x00", "OTHER_HEARTBEAT"),
    ],
)
def test_what_is_no_heartbeat_of_the_device_leads_nowhere(
    road: IfsfRoad, ear: socket.socket, udp_port: int, said: bytes, code: str
) -> None:
    road.attend(Monotonic(0))
    ear.sendto(said, (US, udp_port))
    assert _hear(road) == b""
    road.attend(Monotonic(GONE_AFTER_MS))
    assert road.counters == {code: 1}
    assert _is_quiet(road)


def test_nobody_else_takes_the_place_of_a_device_that_is_known(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    with _meet(road, ear, door, udp_port) as link, _udp(STRANGER) as stranger:
        _say_beat(stranger, 9, udp_port, host=STRANGER)
        assert _hear(road) == b""
        road.attend(Monotonic(5_000))
        assert road.counters == {"OTHER_HEARTBEAT": 1}
        assert road.write(b"ask") == 3
        assert link.recv(16) == b"ask"


def test_an_address_in_the_settings_is_the_only_one(udp_port: int) -> None:
    road = open_road(_place(udp_port, f"&from={DEVICE}"))
    with _udp(STRANGER) as stranger:
        _say_beat(stranger, 9, udp_port, host=STRANGER)
        assert _hear(road) == b""
    assert road.counters == {"OTHER_HEARTBEAT": 1}
    road.close()


def test_a_device_may_knock_before_its_heartbeat_comes_and_another_is_sent_away(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    place = _listens_at(road, ear)
    with socket.create_connection(place, 5, (STRANGER, 0)) as stranger:
        with socket.create_connection(place, 5, (DEVICE, 0)) as early:
            stranger.sendall(b"strange")
            early.sendall(b"early")
            assert _is_quiet(road)
            with _meet(road, ear, door, udp_port):
                heard = b""
                while not heard:
                    heard = _hear(road)
                assert heard == b"early"
        stranger.settimeout(5)
        with suppress(ConnectionResetError):  # what it had said was not read
            assert stranger.recv(16) == b""
    assert road.counters == {"OTHER_CONNECTION": 1}


def test_both_connections_are_one_stream_and_we_speak_on_ours(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    place, heard = _listens_at(road, ear), b""
    with (
        _meet(road, ear, door, udp_port) as ours,
        socket.create_connection(place, 5, (DEVICE, 0)) as theirs,
    ):
        assert _hear(road) == b""
        for number in range(50):
            (ours if number % 3 else theirs).sendall(b"%02d" % number)
            heard += _hear(road)
        assert road.write(b"ask") == 3
        assert ours.recv(16) == b"ask"
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(16)
    assert heard == b"".join(b"%02d" % number for number in range(50))
    ends = [_hear(road) for _ in range(10) if not _is_quiet(road)]
    assert set(ends) == {b""}
    assert len(ends) <= 2, "two ends of file wake us more than once each"


def test_a_second_connection_of_the_device_takes_the_place_of_its_first(
    road: IfsfRoad, ear: socket.socket, udp_port: int
) -> None:
    """And without a place of its own (port 0) the device is spoken to on the connection that it made."""
    place = _listens_at(road, ear)
    _say_beat(ear, 0, udp_port)
    _hear(road)
    road.attend(Monotonic(0))
    with socket.create_connection(place, 5, (DEVICE, 0)) as first:
        _hear(road)
        assert road.write(b"one") == 3
        assert first.recv(16) == b"one"
        with socket.create_connection(place, 5, (DEVICE, 0)) as second:
            _hear(road)
            assert first.recv(16) == b""
            assert road.write(b"two") == 3
            assert second.recv(16) == b"two"
            second.sendall(b"three")
            assert _hear(road) == b"three"
    assert road.counters == {}


def test_a_place_that_refuses_is_tried_again_every_second(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    port = door.getsockname()[1]
    door.close()
    _say_beat(ear, port, udp_port)
    _hear(road)
    tries = []
    for now in range(0, 5_000, 250):
        road.attend(Monotonic(now))
        while not _is_quiet(road):
            road.read()
        tries.append(road.counters["NOT_CONNECTED"])
    assert tries == [1 + now // 1_000 for now in range(0, 5_000, 250)]


def test_a_place_that_does_not_answer_is_given_up_after_three_seconds(
    road: IfsfRoad, ear: socket.socket, udp_port: int
) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((DEVICE, 0))
        full.listen(0)
        for link in (first, second):  # a full queue lets the kernel answer nobody
            link.setblocking(False)
            link.connect_ex(full.getsockname())
        _say_beat(ear, full.getsockname()[1], udp_port)
        _hear(road)
        gave_up_at = []
        for now in range(0, 7_000, 500):
            before = road.counters["NOT_CONNECTED"]
            road.attend(Monotonic(now))
            gave_up_at += [now] * (road.counters["NOT_CONNECTED"] - before)
        assert gave_up_at == [3_000, 6_000]
        assert _is_quiet(road)


def test_a_lost_connection_is_made_again(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    _meet(road, ear, door, udp_port).close()
    assert _hear(road) == b""
    assert road.write(b"lost") == 4
    road.attend(Monotonic(1_000))
    with door.accept()[0] as link:
        _hear(road)
        assert road.write(b"ask") == 3
        assert link.recv(16) == b"ask"


def test_a_place_that_another_controller_has_is_left_to_it_ever_longer(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    """An adapter that has room for one hangs up on the other: who insists takes its pumps away."""
    _meet(road, ear, door, udp_port).close()
    door.settimeout(0)
    tried_at: list[int] = []
    for now in range(0, 300_000, 500):
        if now % 10_000 == 0:
            _say_beat(ear, door.getsockname()[1], udp_port)
        road.attend(Monotonic(now))
        with suppress(BlockingIOError):
            link = door.accept()[0]
            tried_at.append(now)
            _hear(road)
            link.close()
        while select.select([road.fileno()], [], [], 0)[0]:
            road.read()
    waits_ms = [after - before for before, after in pairwise([0, *tried_at])]
    assert waits_ms == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]


def test_a_connection_that_stood_long_is_made_again_soon_each_time(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    for began in (0, 40_000, 80_000):
        link = _meet(road, ear, door, udp_port) if not began else door.accept()[0]
        if began:
            _hear(road)
        for now in range(began + 10_000, began + 40_000, 10_000):
            road.attend(Monotonic(now))
            _say_beat(ear, door.getsockname()[1], udp_port)
            _hear(road)
        link.close()
        assert _hear(road) == b""
        road.attend(Monotonic(began + 40_000))


def test_a_device_that_says_another_port_is_followed_there_at_once(
    road: IfsfRoad, ear: socket.socket, door: socket.socket, udp_port: int
) -> None:
    with _meet(road, ear, door, udp_port) as old, socket.create_server((DEVICE, 0)) as other:
        other.settimeout(5)
        with _meet(road, ear, other, udp_port) as new:
            assert old.recv(16) == b""
            assert road.write(b"ask") == 3
            assert new.recv(16) == b"ask"


def test_every_line_of_a_machine_hears_a_broadcast(udp_port: int, ear: socket.socket) -> None:
    """Two adapters, a line for each; the second's two nodes share one connection."""
    roads = [open_road(_place(udp_port)), open_road(_place(udp_port).replace("device=1", "device=9,10"))]
    for road in roads:
        road.attend(Monotonic(0))
    _say_beat(ear, 0, udp_port, to=BROADCAST)
    _say_beat(ear, 0, udp_port, to=BROADCAST, node_address=b"\x01\x0a")
    for road in roads:
        assert (_hear(road), _hear(road)) == (b"", b"")
        assert _is_quiet(road)
        assert road.counters == {"OTHER_HEARTBEAT": 1}
        with pytest.raises(PortGone):
            road.attend(Monotonic(GONE_AFTER_MS))
        road.close()


def _refused(spec: PortSpec) -> PortRefused:
    with pytest.raises(PortRefused) as refusal:
        open_port(spec).close()
    return refusal.value


@pytest.mark.parametrize(
    "device",
    [
        "ifsf://",
        "ifsf://127.0.0.1:3500",
        "ifsf://127.0.0.1?device=1",
        "ifsf://localhost:3500?device=1",
        "ifsf://0.0.0.0:3500?device=1",
        "ifsf://224.0.0.1:3500?device=1",
        "ifsf://127.0.0.1:70000?device=1",
        "ifsf://127.0.0.1:3500?device=0",
        "ifsf://127.0.0.1:3500?device=128",
        "ifsf://127.0.0.1:3500?device=1,",
        "ifsf://127.0.0.1:3500?device=1&device=2",
        "ifsf://127.0.0.1:3500?device=1&node=²",
        "ifsf://127.0.0.1:3500?device=1&lna=0101",
        "ifsf://127.0.0.1:3500?device=1&udp=0",
        "ifsf://127.0.0.1:3500?device=1&from=station",
        "ifsf://127.0.0.1:3500/there?device=1",
        "ifsf://who@127.0.0.1:3500?device=1",
    ],
)
def test_a_place_that_makes_no_sense_is_refused(device: str) -> None:
    refusal = _refused(PortSpec(device))
    assert refusal.code == "PORT_SETTINGS"
    assert "ifsf://192.168.1.5:3500?device=1" in refusal.remedy


@pytest.mark.parametrize(
    "spec",
    [
        PortSpec("ifsf://127.0.0.1:0?device=1", listen_only=True),
        PortSpec("ifsf://127.0.0.1:0?device=1", echo=True),
        PortSpec("ifsf://127.0.0.1:0?device=1", tap="/dev/null"),
    ],
)
def test_who_only_listens_has_no_heartbeat(spec: PortSpec) -> None:
    assert _refused(spec).code == "PORT_SETTINGS"


def test_an_address_that_is_not_ours_and_a_port_that_is_taken_are_refused(udp_port: int) -> None:
    assert _refused(PortSpec("ifsf://203.0.113.7:0?device=1")).code == "PORT_UNREACHABLE"
    with socket.create_server((US, 0)) as taken:
        device = f"ifsf://{US}:{taken.getsockname()[1]}?device=1&udp={udp_port}"
        assert _refused(PortSpec(device)).code == "PORT_BUSY"


def test_closing_gives_everything_back_and_may_be_done_twice(
    udp_port: int, ear: socket.socket, door: socket.socket
) -> None:
    road: Port = open_port(PortSpec(_place(udp_port)))
    assert isinstance(road, IfsfRoad)
    host, port = _listens_at(road, ear)
    with _meet(road, ear, door, udp_port) as ours:
        road.close()
        road.close()
        assert ours.recv(16) == b""
    again = open_port(PortSpec(f"ifsf://{host}:{port}?device=1&udp={udp_port}"))
    again.close()
