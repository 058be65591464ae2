"""Unit: is the driver that everybody copies right in itself, and are its notes true?"""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import drivers.blueprint
from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Grade
from drivers.events import Monotonic


def test_the_bytes_in_the_notes_are_the_bytes_on_the_wire() -> None:
    notes = Path(drivers.blueprint.__file__).with_name("NOTES.md").read_text(encoding="utf-8")
    assert f"`{codec.encode(codec.READ).decode().strip()}`" in notes


def test_a_sale_comes_back_from_its_frame() -> None:
    sale = codec.Sale("0007", "01", "003012", "002340", "0777", "0000123456")
    (body,) = codec.Reader().feed(codec.encode_sale(sale))
    assert codec.parse_sale(body) == sale
    assert codec.parse_kept(body) is None


@given(st.lists(st.one_of(st.binary(max_size=100), st.sampled_from([b"N*2D\n", b"*", b"\n"])), max_size=40))
@settings(deadline=None)
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    session, simulator = BlueprintSession("1", BlueprintOptions()), BlueprintSimulator()
    for step, piece in enumerate(pieces):
        now = Monotonic(step * 100)
        simulator.receive(piece, now)
        session.receive(piece + simulator.bytes_to_send(now), now)
        session.handle_timer(now)
        assert len(codec.encode(codec.READ)) >= len(session.bytes_to_send(now)) >= 0


def test_the_record_opens_what_it_promises() -> None:
    driver = drivers.blueprint.DRIVER
    assert driver.grade is Grade.BRONZE
    assert isinstance(driver.open_session("1", driver.options()), BlueprintSession)
    assert isinstance(driver.open_simulator("1", driver.options()), BlueprintSimulator)
