"""Unit: do people see every frame as it is, raw and scaled, and recordings no tag?"""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import catalogue
from drivers.companytec import codec, horustech
from drivers.companytec.commands import CHANGES_SOMETHING, Kind, parse_command, parse_question
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.layouts import CBC, HORUSTECH, TAG_FIELDS, Form
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.redaction import redact
from drivers.companytec.simulator import CompanytecSimulator
from drivers.companytec.view import explain
from drivers.events import Monotonic
from drivers.views import NOISE, Check, View

OPTIONS = CompanytecOptions()
TAG = "B328000000000001"
FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = [
    vector["ascii"].encode("ascii")
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"].startswith("companytec")
]
PRINTED = [
    b"(04000120)",
    b"(04B328000000000001)",
    b"(REL 09:49:06 18/02/20)",
    b"(KR12002180309570194)",
    b"(M04)",
    b"(M?t)",
    b"(&H150956)",
    b"(&H)",
    b"(&M99bB32800000000000167)",
    b"(?F27GB32800000000012300000000000000005A)",
    b"(FG000000000001B3280000000001230000000000000000275C)",
    b"(LF000002000010B32800000000000227000000000000002768)",
    b"(SBBFFABFFLLFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF)",
    b">?000605010930",
    b">!00322803000587B32800000000000104000064B328000000000002B6",
    b">?00140DB3280000000000252707",
    b">!00180D000001B328000000000025A5",
    b">!00100501020000000000EA",
    b">!00100B1207270615492224",
    b">!00041300A9",
]


def _only(data: bytes, options: CompanytecOptions = OPTIONS) -> View:
    (view,) = explain(data, options)
    return view


def _details(view: View) -> dict[str, tuple[str, str]]:
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(VECTORS + PRINTED)), max_size=12))
@settings(deadline=None, max_examples=80)
def test_nothing_is_hidden_and_nothing_raises(parts: list[bytes]) -> None:
    data = b"".join(parts)
    views = explain(data, OPTIONS)
    assert b"".join(view.data for view in views) == data
    assert all(view.data for view in views)


@pytest.mark.parametrize("frame", VECTORS, ids=lambda frame: frame[:14].decode())
def test_every_published_frame_has_a_meaning_and_its_side(frame: bytes) -> None:
    view = _only(frame)
    assert view.title not in (NOISE, "damaged frame", "unknown command", "unknown answer")
    assert view.sender == ("host" if frame[1:2] in b"&?" else "device")
    unchecked = frame in (b"(&A)", b"(0)", b"(&I)")
    assert view.check is (Check.NONE if unchecked else Check.OK)


def _flipped(frame: bytes) -> list[bytes]:
    places = range(1, len(frame) - 1) if frame[:1] == b"(" else range(1, len(frame))
    return [frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :] for at in places]


@pytest.mark.parametrize("frame", VECTORS, ids=lambda frame: frame[:14].decode())
def test_a_frame_with_one_wrong_bit_is_never_called_good(frame: bytes) -> None:
    for damaged in _flipped(frame):
        assert all(view.check is not Check.OK for view in explain(damaged, OPTIONS)), damaged


def test_a_record_is_shown_raw_and_scaled() -> None:
    frame = b"(A00038600386010003E001C08121640020683000008078900B3CF6CCFFF1FD792068300F3)"
    details = _details(_only(frame))
    assert details["total"] == ("000386", "386 fen")
    assert details["volume"] == ("003860", "3860 ml")
    assert details["unit_price"] == ("1000", "1000 milli a litre")
    assert details["totalizer"] == ("0000080789", "807890 ml")
    assert details["duration"] == ("001C", "28 s")
    assert details["record"] == ("0683", "683")
    assert details["decimals"] == ("3E", "total 2, volume 3, price 3")
    coarse = _details(_only(frame, CompanytecOptions(volume_decimals=2, totalizer_decimals=3)))
    assert (coarse["volume"][1], coarse["totalizer"][1]) == ("38600 ml", "80789 ml")


@pytest.mark.parametrize(("decimals", "said"), [(None, "4055 fen"), (2, "4055 fen"), (0, "405500 fen")])
def test_a_total_of_money_is_shown_with_the_decimals_of_the_site(decimals: int | None, said: str) -> None:
    options = CompanytecOptions(amount_decimals=decimals)
    for frame in (codec.checked("T$0800004055"), horustech.framed("0508020000004055", kind="!")):
        assert _details(_only(frame, options))["digits"][1] == said


def test_a_horustech_record_is_shown_raw_and_scaled_whatever_protocol_is_set() -> None:
    (frame,) = (vector for vector in VECTORS if vector.startswith(b">!006B02"))
    details = _details(_only(frame))
    assert details["volume"] == ("001060", "1060 ml")
    assert details["total"] == ("000106", "106 fen")
    assert details["totalizer_before"] == ("0000080789", "807890 ml")
    assert details["year"] == ("20", "2020")
    assert details["client"] == ("F" * 16, "none")


@pytest.mark.parametrize(
    ("frame", "title"),
    [
        (b"(T?b)", "error"),
        (b"(04000120)", "fuellings in progress"),
        (b"(&R)", "read clock"),
        (b"(SBBFFABFFLLFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF)", "state per address"),
        (b"(Tl08000000405516)", "totals"),
        (b">!0002284D", "nothing for 28"),
    ],
)
def test_what_has_no_fields_of_a_record(frame: bytes, title: str) -> None:
    assert _only(frame).title == title


def test_the_commands_that_act_are_named_too() -> None:
    acting = [vector for vector in VECTORS if vector[:3] in (b"(&U", b"(&P", b"(&M", b"(?F")]
    assert len(acting) == 4
    assert {_only(frame).title for frame in acting} <= {kind.value for kind in CHANGES_SOMETHING}


def test_noise_between_frames_is_one_view() -> None:
    views = explain(b"\x00garbage(0)>!00(&V", OPTIONS)
    assert [view.title for view in views] == [NOISE, "nothing", NOISE]


# Redaction.


def _filled(form: Form) -> str:
    rng = random.Random(form.title)
    return form.prefix + "".join(
        (TAG * 7)[:width] if name in TAG_FIELDS else "".join(rng.choice("0123456789") for _ in range(width))
        for name, width in form.layout
    )


@pytest.mark.parametrize("name", CBC)
def test_no_tag_stays_in_a_cbc_answer_and_the_rest_does(name: str) -> None:
    content = _filled(CBC[name])
    frame = codec.checked(content)
    _judge_redaction(frame, redact(frame), CBC[name], content)


@pytest.mark.parametrize("name", HORUSTECH)
def test_no_tag_stays_in_a_horustech_answer_and_the_rest_does(name: str) -> None:
    content = _filled(HORUSTECH[name])
    frame = horustech.framed(content, kind="!")
    _judge_redaction(frame, redact(frame), HORUSTECH[name], content)


def _judge_redaction(frame: bytes, clean: bytes, form: Form, content: str) -> None:
    assert len(clean) == len(frame)
    assert TAG.encode() not in clean
    assert _only(clean).check is Check.OK
    before, after = dict(form.split(content)), {d.name: d.raw for d in _only(clean).details}
    kept = {name for name in before if name not in TAG_FIELDS}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert all(set(after[name]) == {"1"} for name in before.keys() - kept)


@pytest.mark.parametrize("frame", VECTORS + PRINTED, ids=lambda frame: frame[:14].decode())
def test_a_redacted_frame_reads_the_same_without_its_tags(frame: bytes) -> None:
    clean = redact(frame)
    (before,), (after,) = explain(frame, OPTIONS), explain(clean, OPTIONS)
    assert (after.title, after.check, len(clean)) == (before.title, before.check, len(frame))
    assert redact(clean) == clean
    assert (clean == frame) == (not any(tag in frame for tag in (b"B328", b"B3CF6C")))
    tags = [
        detail.raw[-16:]
        for detail in before.details
        if (detail.name in TAG_FIELDS or detail.name.startswith("nozzle ")) and "B" in detail.raw
    ]
    assert not any(tag.encode() in clean for tag in tags)


def test_a_missing_tag_stays_missing() -> None:
    frame = codec.checked("A" + "0" * 48 + "F" * 16 + "000000")
    assert redact(frame) == frame


@given(st.binary(max_size=60), st.integers(0, 60), st.sampled_from(VECTORS + PRINTED))
@settings(deadline=None, max_examples=80)
def test_redaction_keeps_the_length_of_anything(noise: bytes, at: int, frame: bytes) -> None:
    data = noise[:at] + frame + noise[at:]
    assert len(redact(data)) == len(data)


@pytest.mark.parametrize("cut", [1, 20, 60, 74])
def test_a_torn_or_damaged_record_gives_no_tag_away(cut: int) -> None:
    frame = codec.checked("A" + "0" * 48 + TAG + "068300")
    for damaged in (frame[:cut] + frame[cut + 1 :], frame[:cut], frame[cut:]):
        assert TAG.encode() not in redact(damaged)


# Questions for a scan.


@pytest.mark.parametrize(
    ("options", "simulator"),
    [
        ({"nozzles": ("04", "44")}, CompanytecSimulator(clock_frames=1)),
        ({"protocol": "horustech", "nozzles": ("04", "44")}, HorustechSimulator()),
    ],
)
def test_a_scan_asks_only_what_changes_nothing_and_is_answered(
    options: dict[str, object], simulator: CompanytecSimulator | HorustechSimulator
) -> None:
    driver = catalogue.find("companytec")
    assert driver.sell is not None
    driver.sell(simulator, "44", 10_000, 7_770, 7_770, Monotonic(0))
    asks = driver.asks("1", driver.options.model_validate(options))
    backlog, answers = simulator.backlog(), []
    for ask in asks:
        kinds = _kinds(ask.data)
        assert kinds <= {Kind.FLOW, Kind.POINTERS, Kind.STATES, Kind.CLOCK, Kind.TOTALS}
        assert (kinds == {Kind.TOTALS}) == ask.is_totals
        simulator.receive(ask.data, Monotonic(0))
        answers.append(simulator.bytes_to_send(Monotonic(0)))
    assert all(answers[:-1]), "the last is of the other protocol"
    assert simulator.backlog() == backlog == 1
    titles = {_only(answer).title for answer in answers[:-1]}
    assert "totals" in titles
    assert {asks.index(ask) for ask in asks if ask.is_totals} == {4, 5}


def _kinds(data: bytes) -> set[Kind]:
    if data.startswith(b">"):
        commands = [parse_question(text[1:]) for text in horustech.Reader().feed(data)]
    else:
        commands = [parse_command(body) for body in codec.Reader().feed(data)]
    return {command.kind for command in commands if command is not None}
