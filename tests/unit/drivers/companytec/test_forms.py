"""Unit: which form of a record is read, what each adds, and is the fact the same whichever it was?"""

import pytest
from pydantic import ValidationError

from drivers.companytec import codec, horustech, reading
from drivers.companytec.commands import Kind
from drivers.companytec.concentrator import Concentrator
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.simulator import CompanytecSimulator
from drivers.conformance import identity_of
from drivers.events import DeviceTime, Fuelling
from tests.unit.drivers.companytec.desk import Desk

TAG = "B328000000000001"
CBC_FORMS = ("short", "identified", "dual", "paf1", "paf2", "paf_extended", "auto")
WIDE_ML, WIDE_FEN = 1_500_000, 1_165_500
"""Seven digits of volume and total; the price fits in four."""


def _one_sale(desk: Desk, volume_ml: int = 12_340, amount_fen: int = 9_588, nozzle: str = "04") -> Fuelling:
    desk.run(1_000)
    desk.simulator.sell(nozzle, 50_000, 38_850, 7_770)
    desk.run(8_000)
    desk.simulator.sell(nozzle, volume_ml, amount_fen, 7_770, TAG)
    desk.run(8_000)
    return desk.fuellings[-1]


def test_a_fact_has_one_identity_whichever_form_it_was_read_in() -> None:
    fuellings = [_one_sale(Desk(record=form)) for form in CBC_FORMS]
    assert len({identity_of(fuelling) for fuelling in fuellings}) == 1
    assert {fuelling.amount_fen for fuelling in fuellings} == {9_588}


def test_the_same_with_more_digits_than_six() -> None:
    wide = _one_sale(Desk(record="auto"), WIDE_ML, WIDE_FEN)
    narrow = _one_sale(Desk(record="paf1"), WIDE_ML, WIDE_FEN)
    assert identity_of(wide) == identity_of(narrow)
    assert (wide.volume_ml, wide.amount_fen) == (WIDE_ML, WIDE_FEN)
    assert (narrow.volume_ml, narrow.amount_fen) == (WIDE_ML - 10**6, WIDE_FEN - 10**6)


def test_horustech_has_one_identity_in_both_of_its_forms() -> None:
    fuellings = [
        _one_sale(Desk(HorustechSimulator(), protocol="horustech", record=form), WIDE_ML, WIDE_FEN, "03")
        for form in ("plain", "extended")
    ]
    assert len({identity_of(fuelling) for fuelling in fuellings}) == 1
    assert [fuelling.volume_ml for fuelling in fuellings] == [WIDE_ML - 10**6, WIDE_ML]


@pytest.mark.parametrize(
    ("form", "before_ml", "time", "has_tag"),
    [
        ("short", None, DeviceTime(None, 2, 1, 0, 0), False),
        ("identified", None, DeviceTime(None, 2, 1, 0, 0), True),
        ("dual", None, DeviceTime(None, 2, 1, 0, 0), True),
        ("paf1", 50_000, DeviceTime(2026, 2, 1, 0, 0), True),
        ("paf2", 50_000, DeviceTime(2026, 2, 1, 0, 0, 17), True),
        ("auto", 50_000, DeviceTime(2026, 2, 1, 0, 0), True),
    ],
)
def test_what_each_form_adds(form: str, before_ml: int | None, time: DeviceTime, has_tag: bool) -> None:
    fuelling = _one_sale(Desk(record=form))
    assert fuelling.totalizer_before_ml == before_ml
    assert fuelling.totalizer_after_ml == 62_340
    assert fuelling.device_time == time
    assert (fuelling.credential is not None) == has_tag


def test_a_firmware_that_knows_every_form_is_asked_for_paf1_and_for_more_digits_only_where_needed() -> None:
    desk = Desk(record="auto")
    _one_sale(desk)
    assert desk.count(codec.READS["paf_extended"]) == 0
    _one_sale(desk, WIDE_ML, WIDE_FEN)
    assert desk.count(codec.READS["paf_extended"]) == 2, "read twice as well"
    assert desk.count(codec.READS["identified"]) == 0
    assert desk.session.counters()["EXTENDED_USED"] == 1


def test_silence_to_the_extended_form_is_remembered_and_paf1_is_believed() -> None:
    desk = Desk(CompanytecSimulator(silent_to={Kind.READ_EXTENDED}), record="auto")
    fuelling = _one_sale(desk, WIDE_ML, WIDE_FEN)
    asked = desk.count(codec.READS["paf_extended"])
    assert (asked, fuelling.volume_ml) == (4, WIDE_ML - 10**6)
    assert desk.session.counters()["EXTENDED_SILENT"] == 1
    assert _one_sale(desk, WIDE_ML, WIDE_FEN).totalizer_before_ml is not None
    assert desk.count(codec.READS["paf_extended"]) == asked
    assert len(desk.simulator.released) == 4


def test_silence_to_every_paf_leads_to_the_identified_form_for_good() -> None:
    desk = Desk(CompanytecSimulator(silent_to={Kind.READ_PAF1, Kind.READ_EXTENDED}), record="auto")
    desk.run(12_000)
    fuelling = _one_sale(desk)
    assert fuelling.credential is not None
    assert fuelling.totalizer_before_ml is None
    assert desk.session.counters()["RECORD_FORM_SILENT"] == 1
    asked = desk.count(codec.READS["paf1"])
    _one_sale(desk)
    assert desk.count(codec.READS["paf1"]) == asked
    assert len(desk.simulator.released) == 4


def test_a_form_that_is_answered_with_nothing_while_a_record_waits_is_given_up() -> None:
    desk = Desk(CompanytecSimulator(knows_nothing_of={Kind.READ_PAF1}), record="auto")
    fuelling = _one_sale(desk)
    assert fuelling.volume_ml == 12_340
    assert fuelling.totalizer_before_ml is None
    assert len(desk.simulator.released) == 2
    assert desk.session.counters()["RECORD_FORM_SILENT"] == 1


def test_nothing_on_a_quiet_forecourt_is_no_reason_to_give_a_form_up() -> None:
    desk = Desk(record="auto")
    desk.run(30_000)
    assert _one_sale(desk).totalizer_before_ml == 50_000


def test_a_form_that_has_given_a_record_is_kept_on_a_line_that_dies() -> None:
    desk = Desk(record="auto")
    _one_sale(desk)
    desk.wire = lambda data: [] if data == codec.READS["paf1"] else [data]
    desk.run(30_000)
    assert desk.count(codec.READS["identified"]) == 0


def test_a_dead_wire_says_nothing_about_forms() -> None:
    desk = Desk(record="auto")
    desk.wire = lambda data: []
    desk.run(30_000)
    desk.wire = lambda data: [data]
    desk.run(5_000)
    assert desk.count(codec.READS["identified"]) == 0


def test_an_extended_record_of_another_sale_is_not_believed() -> None:
    other = CompanytecSimulator()
    other.sell("05", WIDE_ML + 10, WIDE_FEN, 7_770)
    other.read = 0
    desk = Desk(record="auto")
    desk.wire = lambda data: [] if _answered_by(other, desk, data) else [data]
    fuelling = _one_sale(desk, WIDE_ML, WIDE_FEN)
    assert fuelling.volume_ml == WIDE_ML - 10**6
    assert desk.session.counters()["EXTENDED_DIFFERS"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"nozzle": "05"},
        {"serial": "0" * 7 + "1"},
        {"decimals": "3A"},
        {"duration": "001D"},
        {"total": "01165501"},
        {"volume": "01500010"},
        {"unit_price": "007771"},
        {"volume": "X1500000"},
    ],
)
def test_what_the_extended_form_must_say_alike_to_be_used(changes: dict[str, str]) -> None:
    narrow = {"total": "165500", "volume": "500000", "unit_price": "7770"}
    wide = {"total": "01165500", "volume": "01500000", "unit_price": "007770"}
    rest = {"serial": "0" * 8, "decimals": "3E", "duration": "001C", "nozzle": "04"}
    assert reading.widened(narrow | rest, wide | rest) == wide | rest
    assert reading.widened(narrow | rest, wide | rest | changes) is None


@pytest.mark.parametrize("form", CBC_FORMS)
def test_a_missed_record_is_fetched_in_the_form_that_has_the_tag_that_counts(form: str) -> None:
    desk = Desk(record=form)
    desk.run(1_000)
    desk.simulator.sell("04", 10_000, 7_770, 7_770, TAG)
    desk.simulator.step_by_another_program()
    desk.run(12_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0]
    is_long = form not in ("short", "identified")
    assert desk.count(codec.record_at(0, long=is_long)) == 2
    assert desk.count(codec.record_at(0, long=not is_long)) == 0


def _answered_by(other: CompanytecSimulator, desk: Desk, data: bytes) -> bool:
    if data == codec.READS["paf_extended"]:
        other.receive(data, desk.now)
        desk.session.receive(other.bytes_to_send(desk.now), desk.now)
    return data == codec.READS["paf_extended"]


@pytest.mark.parametrize(
    ("volume_ml", "amount_fen", "is_asked"),
    [
        (12_340, 9_588, False),
        (12_340, 9_589, False),
        (12_340, 9_688, True),
        (1_000_000, 777_000, True),
        (2_000_000, 1_554_000, True),
    ],
)
def test_more_digits_are_asked_for_where_those_of_paf1_do_not_fit_one_another(
    volume_ml: int, amount_fen: int, is_asked: bool
) -> None:
    desk = Desk(record="auto")
    fuelling = _one_sale(desk, volume_ml, amount_fen)
    assert (desk.count(codec.READS["paf_extended"]) > 0) == is_asked
    assert (fuelling.volume_ml, fuelling.amount_fen) == (volume_ml, amount_fen)


def test_a_thousand_litres_at_ten_yuan_are_seen_by_the_totalizer() -> None:
    desk = Desk(record="auto")
    desk.run(1_000)
    desk.simulator.sell("04", 1_500_000, 1_500_000, 10_000)
    desk.run(3_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [1_500_000]


def test_a_record_in_another_form_than_asked_for_is_read_all_the_same() -> None:
    desk = Desk(record="identified")
    desk.run(1_000)
    ask, answer = codec.READS["identified"], codec.READS["short"]
    desk.wire = lambda data: [answer if data == ask else data]
    desk.simulator.sell("04", 12_340, 9_588, 7_770)
    desk.run(2_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [12_340]


@pytest.mark.parametrize("manner", ["silent_to", "refuses"])
def test_horustech_falls_back_to_six_digits(manner: str) -> None:
    simulator = HorustechSimulator(Concentrator(), **{manner: {Kind.READ_EXTENDED}})
    desk = Desk(simulator, protocol="horustech")
    desk.run(12_000)
    fuelling = _one_sale(desk, nozzle="03")
    assert (fuelling.volume_ml, fuelling.totalizer_before_ml) == (12_340, 50_000)
    asked = desk.count(horustech.READS["extended"])
    _one_sale(desk, nozzle="03")
    assert desk.count(horustech.READS["extended"]) == asked == 4


@pytest.mark.parametrize(
    "options",
    [
        {"record": "plain"},
        {"protocol": "horustech", "record": "paf1"},
        {"ring_records": 20_000},
        {"nozzles": ("4",)},
        {"nozzles": ("0g",)},
        {"tags": "tag"},
    ],
)
def test_options_that_suit_nothing_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CompanytecOptions.model_validate(options)


def test_what_is_read_where_nothing_is_set() -> None:
    assert CompanytecOptions().form == "identified"
    assert CompanytecOptions(protocol="horustech").form == "auto"
