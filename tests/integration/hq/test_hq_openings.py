"""Integration: do opening balances come in once, whole, and go on where they stopped?"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.hq import openings
from sync.hq.openings import Imported, import_openings
from sync.hq.store import HqStore
from sync.refusal import Refusal
from tests.unit.hq.stand import NOW_MS


@pytest.fixture
def store(hq_url: str) -> Iterator[HqStore]:
    made = HqStore(hq_url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "CHUNK_LINES", 10)


def line(n: int, **more: object) -> dict[str, object]:
    return {"member": f"m{n}", "minor": 100 * n, "as_of_ms": NOW_MS} | more


def written(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path


def balances(store: HqStore, count: int = 40) -> dict[str, int]:
    with store.read() as tx:
        found = [tx.members.account(f"m{n}") for n in range(count)]
        assert tx.members.imbalances() == []
    return {one.member: one.balance_minor for one in found if one}


def reason(outcome: Imported | Refusal) -> str:
    return outcome.reason if isinstance(outcome, Refusal) else ""


def test_a_file_makes_the_accounts_once(store: HqStore, tmp_path: Path) -> None:
    file = written(tmp_path / "a", *(line(n) for n in range(35)))
    steps: list[tuple[int, int]] = []
    first = import_openings(store, file, NOW_MS, lambda done, total: steps.append((done, total)))
    assert isinstance(first, Imported)
    assert (first.lines, first.booked, first.minor) == (35, 35, 100 * sum(range(35)))
    assert steps == [(10, 35), (20, 35), (30, 35), (35, 35)]
    again = import_openings(store, file, NOW_MS + 1)
    assert isinstance(again, Imported)
    assert (again.lines, again.booked, again.file) == (35, 0, first.file)
    assert balances(store) == {f"m{n}": 100 * n for n in range(35)}


def test_what_is_known_beside_the_balance_is_kept(store: HqStore, tmp_path: Path) -> None:
    credential = "k1:" + "A" * 22
    known = line(1, minor=-50, status="FROZEN", tier="gold", credentials=[credential])
    buckets = [{"lapses_on": "2027-06-30", "minor": 5}, {"minor": 6}]
    outcome = import_openings(store, written(tmp_path / "a", known, line(2, buckets=buckets)), NOW_MS)
    assert isinstance(outcome, Imported)
    with store.read() as tx:
        assert tx.members.member_of(credential) == "m1"
        account = tx.members.account("m1")
        assert account is not None
        assert (account.balance_minor, account.status, account.tier) == (-50, "FROZEN", "gold")
        assert tx.members.opened_minor("m1") == -50
        plain = tx.members.account("m2")
        assert plain is not None
        assert (plain.status, plain.tier) == ("ACTIVE", "")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"member": "m39"}, "OPENING_MALFORMED"),
        (line(39, minor=1.5), "OPENING_MALFORMED"),
        (line(39, minor="5"), "OPENING_MALFORMED"),
        (line(39, phone="13800000000"), "OPENING_MALFORMED"),
        (line(39) | {"member": "a b"}, "OPENING_MALFORMED"),
        (line(39, credentials=["13800000000"]), "OPENING_MALFORMED"),
        (line(3), "OPENING_TWICE"),
    ],
)
def test_a_file_with_one_bad_line_takes_nothing_in(
    store: HqStore, tmp_path: Path, bad: dict[str, object], code: str
) -> None:
    file = written(tmp_path / "a", *(line(n) for n in range(30)), bad)
    outcome = import_openings(store, file, NOW_MS)
    assert isinstance(outcome, Refusal)
    assert (outcome.reason, outcome.detail.startswith("line 31: ")) == (code, True)
    assert "13800000000" not in outcome.detail
    assert balances(store) == {}


def test_an_empty_file_is_none(store: HqStore, tmp_path: Path) -> None:
    assert reason(import_openings(store, written(tmp_path / "a"), NOW_MS)) == "OPENING_EMPTY"


def test_a_second_balance_of_a_member_is_refused(store: HqStore, tmp_path: Path) -> None:
    import_openings(store, written(tmp_path / "a", *(line(n) for n in range(5))), NOW_MS)
    others = [line(n) for n in range(10, 25)]
    second = written(tmp_path / "b", *others, line(3, minor=9))
    outcome = import_openings(store, second, NOW_MS)
    assert isinstance(outcome, Refusal)
    assert (outcome.reason, outcome.detail.startswith("line 16: ")) == ("OPENING_DIFFERS", True)
    held = balances(store)
    assert held["m3"] == 300
    assert sorted(held) == sorted([f"m{n}" for n in (*range(5), *range(10, 20))]), "the first chunk is in"
    assert reason(import_openings(store, second, NOW_MS)) == "OPENING_DIFFERS", "and stops there again"
    assert balances(store) == held


def test_a_credential_names_one_member(store: HqStore, tmp_path: Path) -> None:
    one, other = "k1:" + "A" * 22, "k1:" + "B" * 22
    import_openings(store, written(tmp_path / "a", line(1, credentials=[one])), NOW_MS)
    taken = written(tmp_path / "b", line(2, credentials=[other, one]))
    assert reason(import_openings(store, taken, NOW_MS)) == "CREDENTIAL_TAKEN"
    twice = written(tmp_path / "c", line(3, credentials=[other]), line(4, credentials=[other]))
    assert reason(import_openings(store, twice, NOW_MS)) == "CREDENTIAL_TAKEN"
    assert balances(store) == {"m1": 100}


def test_an_import_that_dies_goes_on_where_it_stopped(store: HqStore, tmp_path: Path) -> None:
    class PowerCut(Exception):
        pass

    def die(done: int, total: int) -> None:
        if done == 20:
            raise PowerCut

    file = written(tmp_path / "a", *(line(n) for n in range(35)))
    with pytest.raises(PowerCut):
        import_openings(store, file, NOW_MS, die)
    assert len(balances(store)) == 20
    outcome = import_openings(store, file, NOW_MS)
    assert isinstance(outcome, Imported)
    assert outcome.booked == 15
    assert balances(store) == {f"m{n}": 100 * n for n in range(35)}


def test_two_who_import_the_same_file_at_once_share_it(store: HqStore, hq_url: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a", *(line(n) for n in range(200)))
    outcomes: list[Imported | Refusal] = []
    together = threading.Barrier(2)

    def take() -> None:
        mine = HqStore(hq_url)
        together.wait(20)
        outcomes.append(import_openings(mine, file, NOW_MS))
        mine.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(one.booked for one in outcomes if isinstance(one, Imported)) == 200
    assert balances(store, 200) == {f"m{n}": 100 * n for n in range(200)}
