"""Integration: one end goes back to an old copy of its database. Who does what again, and what counts once?

Agent, `hq serve` and broker are processes. A copy is what a backup of a stopped service is: the database and
its log.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.messages.snapshot import Member
from sync.keys import SigningKey, read_key
from tests.integration.cli.small_station import forecourt
from tests.integration.station.both_ends import STATION, BothEnds, until
from tests.integration.station.test_headquarters_rules import without_weekday

HARMLESS = {"what": "redemptions", "until_ms": 0, "reason": "over"}
MANY = 25
"""More than are on their way to a station at once."""


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[BothEnds]:
    ends = BothEnds(tmp_path / "ends")
    try:
        ends.start_hq()
        ends.start_agent()
        ends.publish_rules(without_weekday())
        ends.publish_members(1, Member(member="m-0001", tier="basic"))
        ends.is_obeyed()
        assert ends.lag()["refused"] == 0
        yield ends
    finally:
        ends.close()


def gift(minor: int) -> dict[str, object]:
    return {"member": "m-0001", "minor": minor, "reason": "goodwill", "lapses_on": "2099-12-31"}


def files_of(database: Path) -> list[Path]:
    return [path for path in database.parent.glob(f"{database.name}*") if not path.name.endswith("-shm")]


def copy(database: Path, to: Path) -> None:
    to.mkdir()
    for path in files_of(database):
        shutil.copy(path, to)


def put_back(database: Path, copied: Path) -> None:
    for path in files_of(database):
        path.unlink()
    for path in copied.iterdir():
        shutil.copy(path, database.parent)


def test_headquarters_put_back_hears_again_what_it_lost_and_gives_no_number_and_no_gift_twice(
    ends: BothEnds, tmp_path: Path
) -> None:
    database = ends.folder / "hq.db"
    ends.obeyed("adjust", gift(500), "--id", "kept")
    ends.sell(1, 10_000)
    ends.agree("m-0001")
    ends.end_hq()
    copy(database, tmp_path / "yesterday")
    ends.start_hq()
    ends.obeyed("adjust", gift(700), "--id", "lost")
    for number in range(3):
        ends.publish("pause", HARMLESS, "--id", f"forgotten-{number}")
    ends.is_obeyed()
    ends.decided("freeze", "m-0001", "--reason", "review")
    ends.decided("unfreeze", "m-0001", "--reason", "over")
    ends.sell(1, 20_000)
    ends.agree("m-0001")
    assert ends.own("m-0001") == 500 + 2_000 + 700 + 4_000
    consumed = len(ends.verdicts())

    ends.end_hq()
    put_back(database, tmp_path / "yesterday")
    again = ends.publish("adjust", gift(700), "--id", "lost")
    new = ends.publish("adjust", gift(30), "--id", "new")
    assert (again["down_seq"], new["down_seq"]) == (consumed - 5, consumed - 4), "numbers that are gone"
    ends.start_hq()
    until(lambda: "DOWN_BEHIND" in ends.alarms() or "DOWN_UNKNOWN" in ends.alarms(), "it to be noticed")
    until(lambda: ends.held("m-0001") == 7_200, "the rows of today to come again")
    assert ends.status()["road"]["refused"]["HQ_WENT_BACK"] >= 1
    assert ends.own("m-0001") == 7_200
    until(lambda: ends.lag()["waiting"] == 0, "every order to be answered, or to have lost its number")

    assert ends.publish("adjust", gift(700), "--id", "lost")["new"] in (True, False)
    new = ends.publish("adjust", gift(30), "--id", "new")
    assert (new["new"], new["down_seq"] > consumed) == (True, True)
    ends.is_obeyed()
    assert ("new", "") in ends.verdicts()
    assert ends.own("m-0001") == 7_230
    ends.agree("m-0001")
    assert [id for id, verdict in ends.verdicts() if id == "lost" and not verdict] == ["lost"]
    ends.decided("freeze", "m-0001", "--reason", "review")
    assert ends.member("m-0001")["status"] == "FROZEN", "it is not taken for the freeze that is over"


def test_as_many_new_orders_as_were_lost_are_not_taken_for_them(ends: BothEnds, tmp_path: Path) -> None:
    """The numbers of both are the same, so that the station's number alone says nothing."""
    database = ends.folder / "hq.db"
    ends.end_hq()
    copy(database, tmp_path / "yesterday")
    ends.start_hq()
    for number in range(3):
        ends.publish("pause", HARMLESS, "--id", f"forgotten-{number}")
    ends.is_obeyed()
    ends.drain()
    ends.end_hq()
    put_back(database, tmp_path / "yesterday")
    for number in range(3):
        ends.publish("adjust", gift(100), "--id", f"gift-{number}")
    ends.start_hq()
    until(lambda: ends.alarms().get("DOWN_UNKNOWN", (0, ""))[0] == 3, "the forgotten ones to be named")
    assert "gift-2 is to be issued again" in ends.alarms()["DOWN_UNKNOWN"][1]
    assert ends.lag()["waiting"] == 0
    assert ends.own("m-0001") == 0
    for number in range(3):
        assert ends.publish("adjust", gift(100), "--id", f"gift-{number}")["new"] is True
    ends.is_obeyed()
    assert ends.own("m-0001") == 300
    ends.agree("m-0001")


def test_a_station_put_back_is_told_again_and_headquarters_counts_each_order_once(
    ends: BothEnds, tmp_path: Path
) -> None:
    database = ends.state / "station.db"
    ends.sell(1, 10_000)
    ends.agree("m-0001")
    ends.end("agent")
    copy(database, tmp_path / "yesterday")
    ends.start_agent()
    ends.obeyed("adjust", gift(900), "--id", "gift")
    ends.decided("set-tier", "m-0001", "gold", "--reason", "goodwill")
    for number in range(MANY):
        ends.publish("pause", HARMLESS, "--id", f"pause-{number}")
    ends.is_obeyed()
    ends.agree("m-0001")
    consumed = ends.verdicts()

    ends.end("agent")
    put_back(database, tmp_path / "yesterday")
    ends.start_agent()
    until(lambda: ends.verdicts() == consumed, "everything to be told again")
    assert ends.status()["epoch"] == 2
    assert ends.member("m-0001")["tier"] == "gold"
    assert ends.own("m-0001") == 2_900
    ends.agree("m-0001")
    assert ends.sell(1, 10_000).points_minor == 2_400
    ends.obeyed("adjust", gift(50))
    assert ends.own("m-0001") == 5_350
    ends.agree("m-0001")
    lag = ends.lag()
    assert (lag["waiting"], lag["refused"], lag["issued_seq"]) == (0, 0, lag["obeyed_seq"])


def test_headquarters_older_than_the_stations_key_hears_nobody_until_it_is_given_the_key(
    ends: BothEnds, tmp_path: Path
) -> None:
    database, key_file = ends.folder / "hq.db", ends.state / "station.key"
    ends.end_hq()
    copy(database, tmp_path / "yesterday")
    ends.start_hq()
    ends.obeyed("rotate", None)
    ends.drain()
    ends.end("agent")
    ends.start_agent()  # at a start it looks at once whether headquarters has the new key
    until(
        lambda: ends.hq("station", "list")["stations"][STATION] != ends.station_key.public.text, "the new key"
    )
    ends.sell(1, 10_000)
    ends.agree("m-0001")
    ends.end_hq()
    put_back(database, tmp_path / "yesterday")
    ends.start_hq()
    until(lambda: "BAD_SIGNATURE" in ends.alarms(), "the station to be refused")
    key = read_key(key_file)
    assert isinstance(key, SigningKey)
    told = ("station", "add", STATION, "--key", key.public.text)
    assert forecourt("hq", *told, "--db", ends.db).stderr.startswith("STATION_KNOWN")
    ends.hq(*told, "--replace", shows_json=False)
    until(lambda: ends.held("m-0001") == 2_000, "everything to come again")
    ends.agree("m-0001")
