"""Integration: does `device scan` find who speaks on real wires, and never talk over anybody?"""

import socket
import threading
import tomllib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.cli import device_scan, device_search
from agent.cli.device_candidates import Candidate, Found, Sureness
from agent.cli.device_choice import Chosen, chosen
from agent.cli.device_places import places
from agent.cli.device_search import Search
from drivers import blueprint, ports
from drivers.blueprint import codec
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Ask, Driver, Wiring
from drivers.ports import Port, PortRefused, PortSpec
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.integration.cli.device_wires import CLOCK, NOTHING, READ, SALE, Wire, as_json, device

pytestmark = pytest.mark.usefixtures("hurried")


def test_scan_finds_a_device_on_a_quiet_line_and_keeps_its_record(
    pump: SimulatorOnPty[BlueprintSimulator],
) -> None:
    code, told = as_json("scan", pump.path, "--driver", "blueprint", "--listen", "1")
    (found,) = told["candidates"]
    assert (code, told["ok"], told["asked_count"], told["overheard_bytes"]) == (0, True, 3, 0)
    assert (found["driver"], found["sureness"], found["address"]) == ("blueprint", "sure", "1")
    assert (found["right_frames"], found["wrong_frames"], found["baud"], found["character"]) == (
        3,
        0,
        9_600,
        "8N1",
    )
    assert f'port = "{pump.path}"' in found["settings"]
    assert pump.act(lambda device: device.released) == []


def test_scan_says_nothing_where_it_hears_something(wire: Callable[..., Wire]) -> None:
    busy = wire(READ + SALE)
    shown = device("scan", busy.path, "--driver", "blueprint", "--listen", "3")
    assert busy.heard == b""
    assert shown.returncode == 0
    assert "somebody speaks here already: listened only" in shown.stdout
    assert "SURE    blueprint" in shown.stdout
    assert "a second master breaks the line" in shown.stdout


def test_scan_says_nothing_on_noise_either(wire: Callable[..., Wire]) -> None:
    noisy = wire(b"\x00\x00\x80")
    shown = device("scan", noisy.path, "--driver", "blueprint", "--listen", "3")
    assert noisy.heard == b""
    assert shown.returncode == 3
    assert "ONLY_ZEROES: " in shown.stdout
    assert "swap A and B" in shown.stdout


def test_scan_of_a_dead_line_says_so(wire: Callable[..., Wire]) -> None:
    dead = wire()
    shown = device("scan", dead.path, "--driver", "blueprint", "--listen", "1")
    assert shown.returncode == 3
    assert dead.heard == READ
    assert "NOBODY_ANSWERED: nothing was heard, 1 question without an answer" in shown.stdout


def _search(path: str, driver: Driver, *, listen_ms: int = 100) -> Found:
    tenant = Chosen(driver, driver.options(), driver.addresses[0], {})
    return Search(places(path, [tenant]), "", CLOCK.monotonic_ms, listen_ms, None).run()


def test_whoever_begins_to_speak_while_we_ask_ends_the_asking(wire: Callable[..., Wire]) -> None:
    """Three addresses, and the first question wakes somebody who goes on unasked."""

    def awake(said: bytes) -> bytes:
        late.talk = b"what?"
        return b"what?"

    late = wire(b"", awake)
    found = _search(late.path, replace(blueprint.DRIVER, addresses=("1", "2", "3")))
    assert late.heard == READ
    assert found.overheard.startswith(b"what?")
    assert found.candidates == ()


def test_after_somebody_was_heard_the_port_is_opened_so_that_nothing_can_be_said(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []

    def open_port(spec: PortSpec) -> Port:
        opened.append(spec.listen_only)
        return ports.open_port(spec)

    monkeypatch.setattr(device_search, "open_port", open_port)
    wirings = (Wiring(9_600), Wiring(19_200), Wiring(2_400))
    _search(wire(b"what?").path, replace(blueprint.DRIVER, wirings=wirings))
    assert opened == [False, True, True]


def test_what_was_answered_before_somebody_spoke_is_kept(wire: Callable[..., Wire]) -> None:
    def answer(said: bytes) -> bytes:
        crowded.talk = NOTHING
        return SALE

    crowded = wire(b"", answer)
    found = _search(crowded.path, replace(blueprint.DRIVER, addresses=("1", "2", "3")))
    assert crowded.heard == READ
    assert found.overheard.startswith(NOTHING[:1])
    assert {each.question for each in found.candidates} == {"oldest sale", ""}


def test_a_wiring_that_the_port_cannot_do_is_skipped(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_port(spec: PortSpec) -> Port:
        if spec.baud == 5_787:
            raise PortRefused("PORT_SETTINGS", spec.device, "no such speed", "take another converter")
        return ports.open_port(spec)

    monkeypatch.setattr(device_search, "open_port", open_port)
    line = wire(b"", lambda said: SALE)
    odd, usual = Wiring(5_787, 8, "even"), Wiring(9_600)
    found = _search(line.path, replace(blueprint.DRIVER, wirings=(odd, usual)))
    assert [each.place.wiring for each in found.candidates] == [usual]
    with pytest.raises(PortRefused):
        _search(line.path, replace(blueprint.DRIVER, wirings=(odd,)))


def test_every_address_of_the_wiring_that_answers_is_named(wire: Callable[..., Wire]) -> None:
    """Two of three dispensers answer, at the second wiring only."""

    def asks(address: str, options: Any) -> tuple[Ask, ...]:
        return (Ask("are you there", codec.encode(f"K,000{address}")),)

    def answer(said: bytes) -> bytes:
        return said if said in (codec.encode("K,0001"), codec.encode("K,0003")) else b""

    line = wire(b"", lambda said: SALE if answer(said) else b"")
    driver = replace(blueprint.DRIVER, addresses=("1", "2", "3"), asks=asks)
    found = _search(line.path, driver)
    assert [each.address for each in found.candidates] == ["1", "3"]
    assert {each.sureness for each in found.candidates} == {Sureness.SURE}
    told = device_scan.settings_of(found.candidates[0], found.candidates)
    assert (told.count("[[line.device]]"), told.count("[[line]]"), 'address = "3"' in told) == (2, 1, True)


def test_other_wirings_are_tried_until_one_is_answered(wire: Callable[..., Wire]) -> None:
    driver = replace(blueprint.DRIVER, wirings=(Wiring(19_200), Wiring(9_600), Wiring(2_400)))
    asked: list[bytes] = []

    def answer(said: bytes) -> bytes:
        asked.append(said)
        return SALE if len(asked) > 1 else b""

    found = _search(wire(b"", answer).path, driver)
    assert found.candidates[0].place.wiring == Wiring(9_600)
    assert asked == [READ] * 4


def test_an_echo_is_no_answer_and_is_told(wire: Callable[..., Wire]) -> None:
    lonely = _search(wire(echo=True).path, blueprint.DRIVER)
    assert (lonely.candidates, lonely.strange) == ((), b"")
    (answered,) = _search(wire(b"", lambda said: SALE, echo=True).path, blueprint.DRIVER).candidates
    assert (answered.has_echo, answered.right_frames) == (True, 3)
    assert "echo = true" in device_scan.settings_of(answered)


def test_who_speaks_unasked_is_no_second_device_and_no_master(wire: Callable[..., Wire]) -> None:
    """A dispenser that tells of itself while another address is asked: as IFSF dispensers do."""
    told: list[bytes] = []

    def asks(address: str, options: Any) -> tuple[Ask, ...]:
        return (Ask("are you there", codec.encode(f"K,000{address}")),)

    def answer(said: bytes) -> bytes:
        told.append(said)
        return SALE if said == codec.encode("K,0001") or len(told) == 4 else b""

    driver = replace(blueprint.DRIVER, addresses=("1", "2"), asks=asks)
    found = _search(wire(b"", answer).path, driver)
    assert [each.address for each in found.candidates] == ["1", "2"]
    assert [each.sureness for each in found.candidates] == [Sureness.SURE, Sureness.LIKELY]
    settings = device_scan.settings_of(found.candidates[0], found.candidates)
    assert (settings.count("[[line.device]]"), 'address = "2"' in settings) == (1, False)


def test_a_guess_gives_no_settings(wire: Callable[..., Wire], as_driver: Callable[..., Driver]) -> None:
    """One frame in a sea of noise; and a byte that is a frame by itself, which any byte is."""
    noisy = wire(NOTHING + bytes(200))
    shown = device("scan", noisy.path, "--driver", "blueprint", "--listen", "2")
    assert shown.returncode == 3
    assert "GUESS   blueprint" in shown.stdout
    assert "[[line]]" not in shown.stdout
    assert "ONLY_ZEROES: " in shown.stdout
    code, told = as_json("scan", noisy.path, "--driver", "blueprint", "--listen", "2")
    assert (code, told["ok"], told["candidates"][0]["settings"]) == (3, False, "")


def test_a_peer_that_hangs_up_at_a_strangers_question_is_asked_the_next_one() -> None:
    """Many gateways close the connection on what they do not understand."""
    stranger = replace(blueprint.DRIVER, asks=lambda address, options: (Ask("hello", b"\x01hello\x03"),))
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                link, _ = server.accept()
                with link:
                    while (said := link.recv(100)) == READ:
                        heard.append(said)
                        link.sendall(SALE)
                if said == b"":
                    return

        served = threading.Thread(target=serve, daemon=True)
        served.start()
        tenants = [Chosen(driver, driver.options(), "1", {}) for driver in (stranger, blueprint.DRIVER)]
        ways = places(f"socket://127.0.0.1:{server.getsockname()[1]}", tenants)
        found = Search(ways, "", CLOCK.monotonic_ms, 50, None).run()
        served.join(5)
    assert [(each.chosen, each.sureness) for each in found.candidates] == [(tenants[1], Sureness.SURE)]
    assert heard == [READ] * 3


def test_a_peer_that_hangs_up_at_once_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        peer = threading.Thread(target=hang_up)
        peer.start()
        place = f"socket://127.0.0.1:{server.getsockname()[1]}"
        shown = device("scan", place, "--driver", "blueprint", "--listen", "1")
        peer.join()
    assert (shown.returncode, shown.stderr.split(":")[0]) == (3, "PORT_GONE")
    assert "is nobody else connected?" in shown.stderr


def test_who_was_not_asked_is_named(monkeypatch: pytest.MonkeyPatch, wire: Callable[..., Wire]) -> None:
    """A quiet line of pumps without a controller: nobody answers a driver that only listens."""
    monkeypatch.setattr(device_search, "ANSWER_MS", 5)
    monkeypatch.setattr(device_search, "QUIET_MS", 1)
    code, told = as_json("scan", wire().path, "--listen", "1")
    assert (code, told["not_tried"]) == (3, ["escpos_tap", "modbus", "pos_link"])
    assert told["not_asked"] == ["azt2", "dart", "gilbarco", "hengshan", "zhengxing"]
    shown = device("scan", wire().path, "--listen", "1").stdout
    assert "not asked, because a second master stops pumps: azt2, dart" in shown
    assert "--option mode=master" in shown


def test_settings_are_toml_and_hide_what_is_secret(as_driver: Callable[..., Driver]) -> None:
    tenant = chosen("veeder_root", {"security_code": "770631"})
    place = places("/dev/ttyUSB0", [tenant])[0]
    told = device_scan.settings_of(Candidate(tenant, place, 3, 3, 0, 9, 9, "1", "alarms"))
    assert tomllib.loads(told)["line"][0]["driver"] == "veeder_root"
    assert "770631" not in told
    assert "security_code among the options, which is not shown" in told
    typed = {"pumps": [1, 2], "names": {"4": 'left "A"'}, "listens": True}
    (line,) = device_scan._options(typed)
    assert tomllib.loads(line)["options"] == typed


def test_scan_on_tcp_with_and_without_a_port(as_driver: Callable[..., Driver]) -> None:
    stage = SimulatorOnTcp(BlueprintSimulator(), CLOCK.monotonic_ms)
    try:
        code, told = as_json("scan", stage.device, "--driver", "blueprint", "--listen", "1")
        assert (code, told["candidates"][0]["port"]) == (0, stage.device)
        host, _, number = stage.device.rpartition(":")
        refused = device("scan", host, "--driver", "blueprint")
        assert (refused.returncode, refused.stderr.split(":")[0]) == (2, "NO_TCP_PORT")
        as_driver(tcp_ports=(int(number),))
        code, told = as_json("scan", host, "--driver", "blueprint", "--listen", "1")
        assert (code, told["candidates"][0]["port"]) == (0, stage.device)
    finally:
        stage.close()


@pytest.mark.parametrize(
    "arguments", [["totals"], ["watch", "--ask", "--seconds", "1"], ["doctor", "--ask"], ["scan"]]
)
@pytest.mark.parametrize("kind", ["group", "between"])
def test_where_nothing_can_be_said_nobody_tries(
    wire: Callable[..., Wire], arguments: list[str], kind: str
) -> None:
    pos, printer = wire(), wire()
    port = "udp://230.0.0.1:14001" if kind == "group" else f"{pos.path} -> {printer.path}"
    shown = device(arguments[0], port, "-d", "blueprint", *arguments[1:])
    assert shown.returncode == 2
    assert shown.stderr.split(":")[0] in ("PORT_ONLY_HEARD", "NO_TCP_PORT")
    assert (pos.heard, printer.heard) == (b"", b"")
