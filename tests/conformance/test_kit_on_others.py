"""Conformance: would the kit notice a listener's or a gauge's session that cheats? One cheat for each.

The cheats of pumps are in test_kit.py, those of odd records in tests/property/drivers, and those of POS feeds
beside the feeds' own tests.
"""

import pytest

from drivers import catalogue
from drivers.conformance import main, soak
from drivers.session import Session
from tests.conformance.cheats import (
    AltersDeliveries,
    AltersLevels,
    AltersVolumes,
    Cheat,
    HidesTotalizers,
    ReadsOnce,
    Speaks,
    SwallowsDeliveries,
    SwallowsFuellings,
    TellsDeliveriesTwice,
    WrapsElsewhere,
    tried,
)

TAP = ("dart", "listen")
GAUGE = ("veeder_root", "computer")
SEEDS = range(1, 5)


@pytest.mark.parametrize(
    ("cheat", "wire", "code"),
    [
        (Speaks, "clean", "SPOKE"),
        (SwallowsFuellings, "clean", "LOST"),
        (AltersVolumes, "clean", "INVENTED"),
        (HidesTotalizers, "all_at_once", "GAP_UNSEEN"),
        (WrapsElsewhere, "clean", "GAP_WRONG"),
    ],
)
def test_a_listener_that_cheats_is_caught(cheat: type[Cheat], wire: str, code: str) -> None:
    assert code in tried(TAP, cheat, wire, SEEDS)


@pytest.mark.parametrize(
    ("cheat", "code"),
    [
        (AltersLevels, "INVENTED"),
        (ReadsOnce, "LOST"),
        (SwallowsDeliveries, "LOST"),
        (AltersDeliveries, "INVENTED"),
        (TellsDeliveriesTwice, "TWICE"),
    ],
)
def test_a_gauge_that_cheats_is_caught(cheat: type[Cheat], code: str) -> None:
    assert code in tried(GAUGE, cheat, "clean", SEEDS)


@pytest.mark.parametrize("place", [TAP, GAUGE])
@pytest.mark.parametrize("wire", ["clean", "all_at_once"])
def test_who_does_not_cheat_is_not_accused(place: tuple[str, str], wire: str) -> None:
    assert tried(place, Cheat, wire, SEEDS) == set()


@pytest.mark.parametrize(
    ("place", "cheat", "code"),
    [
        (("companytec", "tag"), SwallowsFuellings, "LOST"),
        (("companytec", "tag"), AltersVolumes, "INVENTED"),
        (("dart", "master"), SwallowsFuellings, "GAP_UNSEEN"),
        (TAP, HidesTotalizers, "GAP_UNSEEN"),
    ],
)
def test_a_cheat_is_caught_on_a_wire_that_never_gets_better_too(
    place: tuple[str, str], cheat: type[Cheat], code: str
) -> None:
    name, case_name = place
    case = catalogue.conformance_cases(name)[case_name]()
    honest = case.open_session

    def cheating() -> Session:
        return cheat(honest())

    case.open_session = cheating  # type: ignore[method-assign]
    failures = soak(catalogue.find(name), case_name, case, 30, 1).failures
    assert code in {failure.split()[0] for failure in failures}


def test_a_round_is_replayed_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["companytec/tag", "soak", "1", "5"]) == 0
    assert main(["companytec/tag", "odd", "1"]) == 0
    replayed = capsys.readouterr().out
    assert "replay: python -m drivers.conformance companytec/tag soak 1 5" in replayed
    assert "replay: python -m drivers.conformance companytec/tag odd 1 100" in replayed
    assert main(["dart/master", "odd", "1"]) == 2, "it keeps no records"
    assert "usage" in capsys.readouterr().err
