"""Unit: does every published CBC frame decode to what the maker's document says?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.companytec import codec
from drivers.companytec.commands import CHANGES_SOMETHING, Kind, parse_command
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.reading import as_fuelling
from drivers.events import Credential, CredentialKind, DeviceTime

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "companytec-cbc"
}
KINDS_BY_TEXT = {
    "read record at read pointer": Kind.READ,
    "advance read pointer (acknowledge); no reply": Kind.STEP,
    "read identified record": Kind.READ_IDENTIFIED,
    "read/write pointers": Kind.POINTERS,
    "money total nozzle 08": Kind.TOTALS,
    "read clock": Kind.CLOCK,
}
ANSWERS = {
    "cbc-read-sale-empty",
    "cbc-sale",
    "cbc-sale-identified",
    "cbc-pointers",
    "cbc-unknown-tag",
    "cbc-totals",
}


def _body(vector: dict[str, Any]) -> str:
    (body,) = codec.Reader().feed(vector["ascii"].encode("ascii"))
    return body


def _dotted(digits: str, decimals: int) -> str:
    return f"{int(digits[:-decimals])}.{digits[-decimals:]}"


def _decoded_record(body: str, kind: str) -> dict[str, Any]:
    fields = codec.parse_fields(body, kind)
    assert fields is not None
    code = int(fields["decimals"], 16)
    decoded: dict[str, Any] = {
        "total": _dotted(fields["total"], code & 3),
        "volume": _dotted(fields["volume"], code >> 2 & 3),
        "unit_price": _dotted(fields["unit_price"], code >> 4 & 3),
        "decimals_code": fields["decimals"],
        "duration_s": int(fields["duration"], 16),
        "nozzle": fields["nozzle"],
        **{name: int(fields[name]) for name in ("day", "hour", "minute", "month", "record")},
        "final_totalizer": fields["totalizer"],
        "memory_status": fields["status"],
    }
    if "tag" in fields:
        decoded |= {"tag": fields["tag"], "tag_record": int(fields["tag_record"])}
    return decoded


def _decode_answer(vector: dict[str, Any]) -> dict[str, Any]:
    body = _body(vector)
    match vector["id"]:
        case "cbc-read-sale-empty":
            assert body == codec.NOTHING
            return {"cmd": "nothing to read"}
        case "cbc-sale":
            return _decoded_record(body, "short")
        case "cbc-sale-identified":
            return _decoded_record(body, "tag")
        case "cbc-pointers":
            pointers = codec.parse_pointers(body)
            assert pointers is not None
            return {"write": pointers.write, "read": pointers.read}
        case "cbc-unknown-tag":
            fields = codec.parse_fields(body, "unknown_tag")
            assert fields is not None
            return {"tag": fields["tag"], "nozzle": fields["nozzle"]}
    totals = codec.parse_totals(body)
    assert totals is not None
    return {"kind": {"$": "money"}[totals[0]], "nozzle": totals[1], "raw": totals[2]}


def _decode_request(vector: dict[str, Any]) -> dict[str, Any]:
    command = parse_command(_body(vector))
    assert command is not None
    fields = command.fields
    match command.kind:
        case Kind.PRICE:
            return {"nozzle": fields["nozzle"], "level": int(fields["level"]), "price": fields["price"]}
        case Kind.PRESET | Kind.MODE:
            return {name: fields[name] for name in ("nozzle", "value", "mode") if name in fields}
        case Kind.IDENTIFIED_PRESET:
            return {
                "nozzle": fields["nozzle"],
                "tag": fields["tag"],
                "kind": int(fields["kind"]),
                "authorize": fields["authorize"] == "S",
                "value": fields["value"],
                "timeout": int(fields["timeout_s"]),
                "unit": {"$": "money"}[fields["unit"]],
            }
    (text,) = (text for text, kind in KINDS_BY_TEXT.items() if kind is command.kind)
    return {"cmd": text}


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_frame_decodes(name: str) -> None:
    vector = VECTORS[name]
    decoded = _decode_answer(vector) if name in ANSWERS else _decode_request(vector)
    assert decoded | vector["decoded"] == decoded, "a documented value is missing or different"


def test_all_sixteen_are_here_and_only_the_acting_ones_are_forbidden() -> None:
    assert len(VECTORS) == 16
    commands = {name: parse_command(_body(vector)) for name, vector in VECTORS.items() if name not in ANSWERS}
    acting = {name for name, command in commands.items() if command and command.kind in CHANGES_SOMETHING}
    assert acting == {"cbc-set-price", "cbc-preset", "cbc-identified-preset", "cbc-mode-authorize"}


def test_what_we_send_is_what_is_published() -> None:
    assert codec.READS["short"].decode() == VECTORS["cbc-read-sale-req"]["ascii"]
    assert codec.READS["tag"].decode() == VECTORS["cbc-read-identified-req"]["ascii"]
    assert codec.READS["attendant_and_client"] == b"(&@66)"
    assert codec.STEP.decode() == VECTORS["cbc-increment"]["ascii"]
    assert codec.POINTERS.decode() == VECTORS["cbc-pointers-req"]["ascii"]
    assert codec.record_at(1, "tag") == b"(&LR000185)"
    assert codec.record_at(1, "attendant_and_client") == b"(&LC000176)"


def test_the_printed_sale_in_the_agents_units() -> None:
    fields = codec.parse_fields(_body(VECTORS["cbc-sale-identified"]), "tag")
    assert fields is not None
    fuelling = as_fuelling(fields, "1", CompanytecOptions())
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (3_860, 386, 1_000)
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen) == (1, 1)
    assert fuelling.totalizer_after_ml == 807_890
    assert fuelling.totalizer_modulus_ml == 10**11
    assert (fuelling.sequence_no, fuelling.nozzle, fuelling.duration_s) == (683, "08", 28)
    assert fuelling.device_time == DeviceTime(None, 2, 12, 16, 40)
    assert fuelling.credential == Credential(CredentialKind.TAG, "B3CF6CCFFF1FD792")
    assert fuelling.flags == ()


def test_longer_forms_printed_in_the_manual() -> None:
    both = "@00038600386010003E001C08121640020683000008078900B3CF6CCFFF1FD792FFFFFFFFFFFFFFFF0081"
    fields = codec.parse_fields(both, "attendant_and_client")
    assert fields is not None
    assert as_fuelling(fields, "1", CompanytecOptions()).credential is None, "an attendant is no member"
    at_position = codec.parse_record_at(
        "23429602364099113A002C11261741070001000007525600B328090961C1FEE40001004F", "tag"
    )
    assert at_position is not None
    assert at_position["record"] == "0001"
    horustech = codec.parse_record_at(
        "00010000081012343E000204290941019140000002864100B3281234567800010000B3281234007C", "tag"
    )
    assert horustech is not None
    assert as_fuelling(horustech, "1", CompanytecOptions()).volume_ml == 810
    paf1 = codec.parse_record_at(
        "a2FFFFFFFFF00117700953812343E004405271717012000000100000013850000000432020000000000"
        "00FFFFFFFFFFFFFFFF0000000000000000003A",
        "attendant_and_client",
    )
    assert paf1 is not None
    fuelling = as_fuelling(paf1, "1", CompanytecOptions())
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (9_538, 1_177, 1_234)
    assert fuelling.device_time == DeviceTime(2020, 1, 27, 17, 17)
    assert fuelling.totalizer_before_ml is not None
    assert fuelling.totalizer_after_ml is not None
    assert fuelling.totalizer_after_ml - fuelling.totalizer_before_ml == 9_530
    empty = codec.parse_record_at("F" * 76 + "0129", "tag")
    assert empty is not None
    assert codec.is_empty(empty)
