"""Unit: does every published frame of both protocols decode to what the maker's documents say?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.companytec import codec, horustech
from drivers.companytec.codec import Pointers
from drivers.companytec.commands import CHANGES_SOMETHING, Kind, parse_command, parse_question
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.reading import as_fuelling
from drivers.events import Credential, CredentialKind, DeviceTime

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
ALL = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
CBC = {vector["id"]: vector for vector in ALL if vector["protocol"] == "companytec-cbc"}
HORUSTECH = {vector["id"]: vector for vector in ALL if vector["protocol"] == "companytec-horustech"}
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
TAG = "B3CF6CCFFF1FD792"
PAF_TAIL = "000683000008078900000804030300000000000" + "0" + TAG + "F" * 16
"""Record 683, final and initial totalizer, nozzle 03 on the forecourt, the attendant's tag, no client."""


def _body(vector: dict[str, Any]) -> str:
    (body,) = codec.Reader().feed(vector["ascii"].encode("ascii"))
    return body


def _data(vector: dict[str, Any]) -> str:
    (text,) = horustech.Reader().feed(vector["ascii"].encode("ascii"))
    return text[1:]


def _dotted(digits: str, decimals: int) -> str:
    return f"{int(digits[:-decimals])}.{digits[-decimals:]}"


def _decoded_record(body: str, kind: str) -> dict[str, Any]:
    fields = codec.parse_fields(body, kind)
    assert fields is not None
    assert codec.parse_record(body) == fields
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
            return _decoded_record(body, "identified")
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


def _decode_horustech(vector: dict[str, Any]) -> dict[str, Any]:
    data = _data(vector)
    if vector["direction"] == "to-device":
        assert parse_question(data) is not None
        return {"index": data}
    if (fields := horustech.parse_record(data)) is not None:
        no_tag = fields["client"] in codec.NO_TAG
        return {
            "record": int(fields["record"]),
            "nozzle": fields["nozzle"],
            "total": _dotted(fields["total"], int(fields["total_decimals"])),
            "volume": _dotted(fields["volume"], int(fields["volume_decimals"])),
            "unit_price": _dotted(fields["unit_price"], int(fields["price_decimals"])),
            "duration_s": int(fields["duration"], 16),
            "date": f"{fields['day']}/{fields['month']}/{fields['year']}",
            "time": f"{fields['hour']}:{fields['minute']}",
            "initial_totalizer": fields["totalizer_before"],
            "final_totalizer": fields["totalizer"],
            "attendant_tag": fields["attendant"],
            "client_tag": None if no_tag else fields["client"],
        }
    if (pointers := horustech.parse_pointers(data)) is not None:
        return {"index": data[:2], "now_at": pointers.read, "last": pointers.write}
    return {"index": data[:2], "empty": horustech.is_nothing(data, data[:2])}


@pytest.mark.parametrize("name", CBC)
def test_a_published_cbc_frame_decodes(name: str) -> None:
    vector = CBC[name]
    decoded = _decode_answer(vector) if name in ANSWERS else _decode_request(vector)
    assert decoded | vector["decoded"] == decoded, "a documented value is missing or different"


@pytest.mark.parametrize("name", HORUSTECH)
def test_a_published_horustech_frame_decodes(name: str) -> None:
    vector = HORUSTECH[name]
    assert _decode_horustech(vector) == vector["decoded"]


def test_all_are_here_and_only_the_acting_ones_are_forbidden() -> None:
    assert (len(CBC), len(HORUSTECH)) == (16, 7)
    commands = {name: parse_command(_body(vector)) for name, vector in CBC.items() if name not in ANSWERS}
    acting = {name for name, command in commands.items() if command and command.kind in CHANGES_SOMETHING}
    assert acting == {"cbc-set-price", "cbc-preset", "cbc-identified-preset", "cbc-mode-authorize"}


def test_what_we_send_is_what_is_published() -> None:
    assert codec.READS["short"].decode() == CBC["cbc-read-sale-req"]["ascii"]
    assert codec.READS["identified"].decode() == CBC["cbc-read-identified-req"]["ascii"]
    assert codec.STEP.decode() == CBC["cbc-increment"]["ascii"]
    assert codec.POINTERS.decode() == CBC["cbc-pointers-req"]["ascii"]
    assert codec.CLOCK.decode() == CBC["cbc-clock-req"]["ascii"]
    assert codec.long_total("08") == b"(&T08l4E)"
    assert codec.record_at(1, long=False) == b"(&LR000185)"
    assert codec.record_at(1, long=True) == b"(&LC000176)"
    others = {"dual": b"(&@66)", "paf1": b"(&A299)", "paf2": b"(&A39A)", "paf_extended": b"(&A49B)"}
    assert {name: codec.READS[name] for name in others} == others
    assert codec.READ_TAG == b"(?A80)"
    for name, frame in (("read", "plain"), ("read-ext", "extended")):
        assert horustech.READS[frame].decode() == HORUSTECH[f"horustech-{name}-req"]["ascii"]
    assert horustech.STEP.decode() == HORUSTECH["horustech-increment-req"]["ascii"]
    assert horustech.record_at(105) == b">?00080800010595"
    assert horustech.long_total("01") == b">?00060501012C"
    assert (horustech.FLOW, horustech.STATES) == (b">?00020364", b">?00020162")
    assert (horustech.CLOCK, horustech.READ_TAG, horustech.STEP_TAG) == (
        b">?00020B73",
        b">?00020C74",
        b">?0002186A",
    )


def test_the_printed_sale_in_the_agents_units() -> None:
    fields = codec.parse_fields(_body(CBC["cbc-sale-identified"]), "identified")
    assert fields is not None
    fuelling = as_fuelling(fields, "1", CompanytecOptions())
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (3_860, 386, 1_000)
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen) == (1, 1)
    assert fuelling.totalizer_after_ml == 807_890
    assert fuelling.totalizer_modulus_ml == 10**11
    assert (fuelling.sequence_no, fuelling.nozzle, fuelling.duration_s) == (683, "08", 28)
    assert fuelling.device_time == DeviceTime(None, 2, 12, 16, 40)
    assert fuelling.credential == Credential(CredentialKind.TAG, TAG)
    assert fuelling.flags == ()


@pytest.mark.parametrize(
    ("body", "form", "time"),
    [
        ("@00038600386010003E001C08121640020683000008078900" + TAG + "F" * 16 + "0081", "dual", None),
        (
            "a2FFFFFFFFF00038600386010003E001C081216400220" + PAF_TAIL + "003E",
            "paf1",
            DeviceTime(2020, 2, 12, 16, 40),
        ),
        (
            "a3FFFFFFFFF00038600386010003E001C08200212164010" + PAF_TAIL + "000000",
            "paf2",
            DeviceTime(2020, 2, 12, 16, 40, 10),
        ),
    ],
)
def test_longer_forms_of_the_printed_sale(body: str, form: str, time: DeviceTime | None) -> None:
    fields = codec.parse_fields(body, form)
    assert fields is not None
    assert codec.parse_record(body) == fields
    fuelling = as_fuelling(fields, "1", CompanytecOptions())
    assert (fuelling.sequence_no, fuelling.volume_ml, fuelling.amount_fen) == (683, 3_860, 386)
    assert fuelling.credential is None, "an attendant is no member"
    assert fuelling.totalizer_after_ml == 807_890
    if time is not None:
        assert fuelling.device_time == time
        assert fuelling.totalizer_before_ml == 804_030


def test_records_at_a_position_printed_in_the_manual() -> None:
    at_position = codec.parse_record_at(
        "23429602364099113A002C11261741070001000007525600B328090961C1FEE40001004F"
    )
    assert at_position is not None
    assert at_position["record"] == "0001"
    hrs = codec.parse_record_at(
        "00010000081012343E000204290941019140000002864100B3281234567800010000B3281234007C"
    )
    assert hrs is not None
    assert as_fuelling(hrs, "1", CompanytecOptions()).volume_ml == 810
    paf1 = codec.parse_record_at(
        "a2FFFFFFFFF00117700953812343E004405271717012000000100000013850000000432020000000000"
        "00FFFFFFFFFFFFFFFF0000000000000000003A",
    )
    assert paf1 is not None
    fuelling = as_fuelling(paf1, "1", CompanytecOptions())
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (9_538, 1_177, 1_234)
    assert fuelling.device_time == DeviceTime(2020, 1, 27, 17, 17)
    assert fuelling.totalizer_before_ml is not None
    assert fuelling.totalizer_after_ml is not None
    assert fuelling.totalizer_after_ml - fuelling.totalizer_before_ml == 9_530
    empty = codec.parse_record_at("F" * 76 + "0129")
    assert empty is not None
    assert codec.is_empty(empty)


def test_horustech_frames_printed_in_its_manual() -> None:
    frames = (
        ">!0076021000684030000000001060000106000100023300071202201640290000"
        "0807890000080895B3CF6CCFFF1FD792FFFFFFFFFFFFFFFF0000000000E8"
        ">!006B080001050112000000290000241234223002929012113510873372806087"
        "3372830E803341200000000E903785600000000000000001B"
        ">!000A0301001222DD"
        ">!00280C00000001000000B3CF6CCFFF1F51E60102110169"
    )
    extended, kept, flow, tag = (text[1:] for text in horustech.Reader().feed(frames.encode("ascii")))
    fields = horustech.parse_record(extended)
    assert fields is not None
    fuelling = as_fuelling(fields, "1", CompanytecOptions(protocol="horustech"))
    assert (fuelling.nozzle, fuelling.sequence_no, fuelling.volume_ml) == ("03", 684, 1_060)
    assert (fuelling.amount_fen, fuelling.unit_price_milli, fuelling.duration_s) == (106, 1_000, 7)
    assert fuelling.device_time == DeviceTime(2020, 2, 12, 16, 40, 29)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (807_890, 808_950)
    at_position = horustech.parse_fields(kept, "position")
    assert at_position is not None
    record = as_fuelling(at_position, "1", CompanytecOptions(protocol="horustech"))
    assert (record.sequence_no, record.nozzle, record.volume_ml, record.amount_fen) == (105, "01", 240, 29)
    assert record.totalizer_before_ml is not None
    assert record.totalizer_after_ml == record.totalizer_before_ml + record.volume_ml
    assert record.credential == Credential(CredentialKind.TAG, "E903785600000000")
    assert horustech.parse_flow(flow) == {"01"}
    card = horustech.parse_fields(tag, "unknown_tag")
    assert card is not None
    assert (card["nozzles"], card["tag"]) == ("01000000", "B3CF6CCFFF1F51E6")


def test_horustech_pointers_are_read_then_written() -> None:
    """The manual prints their layout (DT214 3.5.1, type 06) and no example."""
    assert horustech.POINTERS[6:-2] == b"050006"
    assert horustech.parse_pointers("050006000179000181000000000002") == Pointers(write=181, read=179)
    assert horustech.parse_pointers("06000179000181") == Pointers(write=181, read=179)
