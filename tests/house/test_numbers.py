"""House: are all numbers integers, and does every name say its unit?"""

import pytest

from tests.house.numbers_rules import floats, nameless_units
from tests.house.sources import PACKAGES, Source, python_sources

EXACT = ("agent/points", "agent/store", "agent/messages", "agent/handlers", "drivers/events.py")


def test_integer_fields_end_in_their_unit() -> None:
    assert [found for source in python_sources(*PACKAGES) for found in nameless_units(source)] == []


def test_no_float_comes_near_points_money_or_volume() -> None:
    assert [found for source in python_sources(*EXACT) for found in floats(source)] == []


@pytest.mark.parametrize(
    "field",
    [
        "volume: int",
        "price: int | None = None",
        "points: int",
        "timeout: Annotated[int, Field(ge=1)]",
        "hours: tuple[int, ...]",
        "_since: int",
    ],
)
def test_the_unit_rule_can_fail(field: str) -> None:
    planted = Source("planted.py", f"class Sale:\n    {field}\n")
    assert len(list(nameless_units(planted))) == 1


@pytest.mark.parametrize(
    "field",
    [
        "volume_ml: int",
        "seq: int",
        "device_epoch: int | None",
        "items: int",
        "name: str",
        "at: Callable[[int], str]",
        "records: tuple[int, ...]",
        "waits: list[int]",
        "since: Monotonic",
    ],
)
def test_the_unit_rule_can_pass(field: str) -> None:
    assert list(nameless_units(Source("planted.py", f"class Sale:\n    {field}\n"))) == []


@pytest.mark.parametrize(
    "line", ["x = 0.5", "x: float = y", "x = a / b", "x /= 2", "x = Decimal(1)", "x = 1e3"]
)
def test_the_float_rule_can_fail(line: str) -> None:
    assert len(list(floats(Source("planted.py", line)))) == 1


@pytest.mark.parametrize(
    "line",
    ["x = 1 // 2", "x = folder / 'a.sql'", "x = folder / f'{n}.sql'", "x = 10**3", "isinstance(x, float)"],
)
def test_the_float_rule_can_pass(line: str) -> None:
    assert list(floats(Source("planted.py", line))) == []
