"""Unit: does every captured DART frame decode to what its source says, and do we write the same bytes?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.checksums import crc16_kermit
from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame
from drivers.dart.options import DartOptions
from drivers.dart.pump_view import Shown
from drivers.dart.reading import Meter, as_fuelling, price_fits

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "dart"
}
COMMANDS = {0x00: "RETURN STATUS", 0x05: "RESET", 0x06: "AUTHORIZE"}


def _bytes(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["hex"])


def _frame(vector: dict[str, Any]) -> Frame:
    (frame,) = codec.Reader().feed(_bytes(vector))
    return frame


def _of_host(trans: int, body: bytes) -> dict[str, Any]:
    if trans == 0x01:
        return {"id": "CD1", "dcc": COMMANDS[body[0]]}
    if trans == 0x65:
        return {"id": "CD101", "counter": body[0]}
    assert trans == 0x05
    return {"id": "CD5", "prices": [words.digits(body[at : at + 3]) for at in range(0, len(body), 3)]}


def _of_pump(word: words.Word) -> dict[str, Any]:
    match word:
        case words.Status(code):
            return {"id": "DC1", "status": code}
        case words.Filling(volume, amount):
            return {"id": "DC2", "volume": volume, "amount": amount}
        case words.Nozzle(price, number, is_out):
            return {"id": "DC3", "price": price, "nozzle": number, "out": is_out}
        case words.Totals(counter, counts):
            return {"id": "DC101", "counter": counter, "totals": list(counts)}
    raise AssertionError(word)


def _decoded(vector: dict[str, Any]) -> dict[str, Any]:
    frame = _frame(vector)
    if frame.control is not Control.DATA:
        return {"addr": f"0x{frame.address:02x}", "ctrl": frame.control.name, "tx": frame.tx_no}
    if vector["direction"] == "to-device":
        found = words.transactions(frame.data)
        assert found is not None
        said = [_of_host(trans, body) for trans, body in found]
    else:
        said = [_of_pump(word) for word in words.words(frame.data)]
    return {"tx": frame.tx_no, "trans": said}


@pytest.mark.parametrize("name", VECTORS)
def test_a_captured_frame_decodes(name: str) -> None:
    decoded, told = _decoded(VECTORS[name]), VECTORS[name]["decoded"]
    assert {key: decoded[key] for key in told} == told


@pytest.mark.parametrize("name", VECTORS)
def test_a_captured_frame_is_written_the_same(name: str) -> None:
    assert codec.encode(_frame(VECTORS[name])) == _bytes(VECTORS[name])


@pytest.mark.parametrize("name", VECTORS)
def test_who_speaks_is_never_mistaken_by_the_layout(name: str) -> None:
    frame = _frame(VECTORS[name])
    speaker = words.only_one_says(frame.data)
    assert speaker in ("", {"to-device": "host", "from-device": "device"}[VECTORS[name]["direction"]])


def test_all_fourteen_are_here_and_our_questions_are_among_them() -> None:
    assert len(VECTORS) == 14
    assert _frame(VECTORS["dart-cd1-status"]).data == words.ASK_STATE
    assert _frame(VECTORS["dart-cd101-totals-req"]).data == words.ask_totals(1)


@pytest.mark.parametrize(
    ("name", "decimals", "expected"),
    [
        ("dart-sale-0.31", {"price_decimals": 3}, (310, 51, 1_645)),
        ("dart-sale-3.21", {"amount_decimals": 0, "minor_decimals": 0}, (3_210, 50, 15_590)),
    ],
)
def test_both_scales_that_were_seen(
    name: str, decimals: dict[str, int], expected: tuple[int, int, int]
) -> None:
    options = DartOptions.model_validate(decimals)
    filling, price, _ = words.words(_frame(VECTORS[name]).data)
    assert isinstance(filling, words.Filling)
    assert isinstance(price, words.Nozzle)
    shown = Shown(filling, price.price, 1, is_watched=True, ended=None)
    fuelling = as_fuelling(shown, 1, Meter("0000000031", 310, None), (), "50", options)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == expected
    assert price_fits(shown, options)
    assert not price_fits(shown, DartOptions(price_decimals=1))
    assert fuelling.raw.volume == filling.volume
    assert fuelling.totalizer_modulus_ml == 10**11


@pytest.mark.parametrize(
    ("check", "volume", "amount", "tx_no"),
    [
        ("FA 10", "00018066", "00135495", 2),
        ("FA FA", "00021766", "00163245", 6),
        ("10 FA", "00026641", "00199807", 1),
    ],
)
def test_a_dle_stands_before_every_fa_of_the_check_value_too(
    check: str, volume: str, amount: str, tx_no: int
) -> None:
    frame = Frame(0x50, Control.DATA, tx_no, b"\x02\x08" + bytes.fromhex(volume + amount))
    data = codec.encode(frame)
    stuffed = bytes.fromhex(check.replace("FA", "10 FA"))
    assert data.endswith(frame.data + stuffed + b"\x03\xfa")
    assert list(codec.Reader().feed(data + b"\x50\x20\xfa")) == [frame, Frame(0x50, Control.POLL)]
    assert list(codec.pieces(data + data)) == [data, data]
    assert list(codec.Reader().feed(data.replace(b"\x10\xfa", b"\xfa"))) == []


def test_the_check_value_that_texts_name_is_not_taken() -> None:
    """CRC-16/CCITT (polynomial 1021) is what several open programs use; no captured frame has it."""
    said = b"\x50\x30\x01\x01\x00"
    assert list(codec.Reader().feed(said + crc16_kermit(said).to_bytes(2, "little") + b"\x03\xfa")) == []
