"""Integration: does every command say the right thing of a running station, for people and for machines?"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.house.sources import ROOT
from tests.integration.cli.commands import leaves, options
from tests.integration.cli.small_station import SmallStation, forecourt

SAMPLE = str(ROOT / "config" / "samples" / "demo-cn.bundle.toml")
ARGUMENTS = {
    "sale show": ["S1"],
    "sale explain": ["S1"],
    "sale compare": ["S1", "S1"],
    "member show": ["m-0001"],
    "member lots": ["m-0001"],
    "member trace-points": ["m-0001"],
    "rules preview": ["--litres", "50"],
    "rules diff": ["42", SAMPLE],
    "rules lint": [SAMPLE],
    "rules backtest": [SAMPLE, "--from", "2026-07-01", "--to", "2026-07-31"],
    "store query": ["SELECT volume_ml FROM fact ORDER BY volume_ml"],
    "hq reconcile": ["st-cli"],
    "device explain": ["28 26 41 36 37 29", "--driver", "companytec"],
    "hq member show": ["m-0001"],
}
ACTING = {
    "case note",
    "case show",
    "enroll",
    "keys init",
    "load",
    "demo",
    "hq keys init",
    "hq keys rotate",
    "hq keys export",
    "hq publish",
    *(f"device {verb}" for verb in ("scan", "watch", "totals", "record", "replay", "doctor")),
    *(f"hq member {verb}" for verb in ("import", "lend", "recall", "freeze", "unfreeze", "set-tier")),
}
"""Commands with --json that do something; keys init is refused here, the others have tests of their own."""
READING = sorted(name for name, command in leaves().items() if "--json" in options(command))


def _answer(station: SmallStation, *command: str) -> dict[str, Any]:
    shown = station.run(*command, "--json")
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


@pytest.mark.parametrize("name", sorted(set(READING) - ACTING))
def test_json_of_every_reading_command_is_one_object(small_station: SmallStation, name: str) -> None:
    arguments = [*name.split(), *ARGUMENTS.get(name, []), "--json"]
    taken = options(leaves()[name])
    arguments += ["--config", str(small_station.stage.config)] if "--config" in taken else []
    arguments += ["--db", small_station.stage.hq_url] if "--db" in taken else []
    shown = forecourt(*arguments)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("\n") == 1
    assert json.loads(shown.stdout)["ok"] is True


def test_every_reading_command_has_json() -> None:
    without = {name for name in leaves() if name not in READING}
    serving = {"run", "config example", "device simulate", "hq serve", "hq station add", "hq export"}
    signing = {f"hq ca {verb}" for verb in ("init", "broker", "headquarters", "sign", "revoke")}
    assert without == serving | signing


@pytest.mark.parametrize("name", sorted(set(READING) - ACTING))
def test_people_get_words_and_no_traceback(small_station: SmallStation, name: str) -> None:
    taken = options(leaves()[name])
    arguments = [*name.split(), *ARGUMENTS.get(name, [])]
    arguments += ["--config", str(small_station.stage.config)] if "--config" in taken else []
    arguments += ["--db", small_station.stage.hq_url] if "--db" in taken else []
    shown = forecourt(*arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.strip()


def test_status_tells_of_lines_road_and_store(small_station: SmallStation) -> None:
    said = _answer(small_station, "status")
    assert (said["station"], said["mode"], said["facts"], said["awards"]) == ("st-cli", "ONLINE", 2, 1)
    assert {line["name"] for line in said["lines"] if line["port_open"]} == {"island-1", "till"}
    assert said["road"]["hq_age_ms"] is not None
    shown = small_station.run("status").stdout
    for word in ("st-cli  ONLINE", "island-1", "2026-07 42", "1, snapshot 1", "heard "):
        assert word in shown


def test_a_sale_is_found_by_all_its_names(small_station: SmallStation) -> None:
    by_sale = _answer(small_station, "sale", "show", "S1")
    fact_id = by_sale["fact"]["fact_id"]
    assert _answer(small_station, "sale", "show", "till-1/S1") == by_sale
    assert _answer(small_station, "sale", "show", fact_id) == by_sale
    assert (by_sale["fact"]["volume_ml"], by_sale["fact"]["evidence"]) == (50_000, "recorded")
    assert by_sale["binding"]["member"] == by_sale["award"]["member"] == "m-0001"
    assert (by_sale["award"]["minor"], by_sale["award"]["acknowledged"]) == (10_000, True)
    assert "50.00 L petrol 92 at 2.00 points per litre = 100.00" in by_sale["award"]["explanation"]
    assert [refund["minor"] for refund in by_sale["refunds"]] == [5_000]


def test_a_sale_is_told_in_words(small_station: SmallStation) -> None:
    shown = small_station.run("sale", "show", "S1", "--language", "zh").stdout
    for words in (
        "50.00 L petrol-92, 392.50",
        "7.850 a litre",
        "headquarters has it",
        "合计：100 分",
        "50 points",
    ):
        assert words in shown
    waiting = small_station.run("sale", "show", "S2").stdout
    assert "CANDIDATE" in waiting
    assert "award" not in waiting


def test_sales_are_filtered(small_station: SmallStation) -> None:
    every = _answer(small_station, "sale", "list")
    assert [sale["kind"] for sale in every["sales"]] == ["basket", "fuelling"]
    assert [sale["pos_sale_id"] for sale in every["waiting"]] == ["S2"]
    assert len(_answer(small_station, "sale", "list", "--last", "1")["sales"]) == 1
    of_member = _answer(small_station, "sale", "list", "--member", "m-0001")
    assert [sale["pos_sale_id"] for sale in of_member["sales"]] == ["S1"]
    assert _answer(small_station, "sale", "list", "--point", "9")["sales"] == []
    assert _answer(small_station, "sale", "list", "--point", "1")["sales"][0]["reversed_minor"] == 5_000


def test_an_unknown_sale_is_refused_in_one_line(small_station: SmallStation) -> None:
    shown = small_station.run("sale", "show", "S9")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith("SALE_UNKNOWN: ")
    assert shown.stderr.count("\n") == 1


def test_rules_are_those_in_force_and_a_file_goes_first(small_station: SmallStation, tmp_path: Path) -> None:
    assert _answer(small_station, "rules", "show")["origin"] == "in force at this station"
    changed = small_station.stage.plan.bundle.replace(b"version = 42", b"version = 43")
    (tmp_path / "next.toml").write_bytes(changed)
    shown = _answer(small_station, "rules", "show", str(tmp_path / "next.toml"))
    assert (shown["version"], shown["origin"]) == (43, f"from {tmp_path / 'next.toml'}")
    told = (
        "petrol-92, petrol-95, petrol-98: 2 points for every litre, counted in steps of 10 ml (fuel-litre)."
    )
    assert told in shown["sentences"]


def test_preview_computes_what_the_rules_say(small_station: SmallStation) -> None:
    def points(*options: str) -> int:
        return int(_answer(small_station, "rules", "preview", "--litres", "50", *options)["points_minor"])

    monday, thursday = ("--at", "2026-07-06T10:00"), ("--at", "2026-07-02T10:00")
    assert points(*monday) == 10_000
    assert points("--tier", "gold", *monday) == 12_000
    assert points("--tier", "gold", *thursday) == 36_000
    assert points("--birthday", "07-06", *monday) == 20_000
    assert points("--tender", "fleet-card", *monday) == 0
    protected = ("--cohort", "joined-before-2026-07-01", "--price", "7.85")
    assert points(*protected, *monday) == 39_200


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--litres", "1.2345"], "BAD_NUMBER"),
        (["--litres", "5", "--at", "yesterday"], "BAD_TIME"),
        (["--litres", "5", "--birthday", "02-30"], "BAD_BIRTHDAY"),
        (["--litres", "5", "--tier", "wood"], "UNKNOWN_TIER"),
    ],
)
def test_a_preview_written_wrongly_is_refused(tmp_path: Path, options: list[str], code: str) -> None:
    shown = forecourt("rules", "preview", *options, "--config", str(tmp_path / "none.toml"))
    assert shown.returncode == 2
    assert shown.stderr.startswith(f"{code}: ")


def test_without_a_station_the_sample_is_shown_and_named(tmp_path: Path) -> None:
    shown = forecourt("rules", "show", "--config", str(tmp_path / "none.toml"))
    assert shown.returncode == 0
    assert "the shipped sample, because there is no" in shown.stdout


def test_the_outbox_says_what_headquarters_has(small_station: SmallStation) -> None:
    rows = _answer(small_station, "outbox", "show", "--stream", "ledger")["rows"]
    assert [(row["seq"], row["kind"]) for row in rows] == [
        (4, "basket"),
        (3, "refund"),
        (2, "award"),
        (1, "fuelling"),
    ]
    assert all(row["acknowledged"] for row in rows)
    assert rows[-1]["body"]["volume_ml"] == 50_000


def test_a_query_reads_and_never_writes(small_station: SmallStation) -> None:
    sql = "SELECT volume_ml FROM fact WHERE kind = 'fuelling'"
    assert _answer(small_station, "store", "query", sql)["rows"] == [{"volume_ml": 50_000}]
    for forbidden in ("DELETE FROM fact", "SELECT nothing", "ATTACH 'other.db' AS other"):
        shown = small_station.run("store", "query", forbidden)
        assert shown.returncode == 1, forbidden
        assert shown.stderr.startswith("QUERY_REFUSED: ")
    assert _answer(small_station, "store", "query", "SELECT count(*) AS n FROM fact")["rows"] == [{"n": 2}]


def test_settings_are_shown_without_secrets(small_station: SmallStation) -> None:
    secret = (small_station.stage.directory / "credential_key_k1").read_text()
    for command in (
        ("config", "show"),
        ("config", "show", "--json"),
        ("config", "check"),
        ("doctor", "--json"),
    ):
        shown = small_station.run(*command)
        assert shown.returncode == 0, shown.stderr
        assert secret not in shown.stdout + shown.stderr
    assert "line.1.driver = companytec" in small_station.run("config", "show").stdout
    assert "fuelling points 1" in small_station.run("config", "check").stdout


def test_the_example_is_the_shipped_one() -> None:
    example = (ROOT / "config" / "station.example.toml").read_text(encoding="utf-8")
    assert forecourt("config", "example").stdout == example


SECOND_TILL = """\
[[line]]
name = "till-2"
driver = "pos_link"
port = "/dev/ttyS9"
device = [{ key = "till-2", address = "till-2", options = { register_id = "till-1" } }]

[[point]]"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('language = "zh"', 'langauge = "zh"', ("KEY_UNKNOWN", "did you mean `language`?")),
        ('register_id = "till-1"', 'register_id = ""', ("DRIVER_OPTION", "options.register_id")),
        ('driver = "companytec"', 'driver = "companytek"', ("UNKNOWN_DRIVER", "companytec")),
        ('driver = "companytec"', 'driver = "dart"', ("DRIVER_ADDRESS", "address 1: ")),
        ("[[point]]", SECOND_TILL, ("DRIVER_OPTION", "till-1 is on line till")),
    ],
)
def test_a_wrong_setting_is_one_line(
    small_station: SmallStation, tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    wrong = tmp_path / "station.toml"
    wrong.write_text(small_station.stage.config.read_text().replace(old, new))
    shown = forecourt("config", "check", "--config", str(wrong))
    assert shown.returncode == 1
    assert shown.stdout.count("\n") == 1
    assert all(word in shown.stdout for word in words), shown.stdout
    problems = json.loads(forecourt("config", "check", "--config", str(wrong), "--json").stdout)["problems"]
    assert [problem["code"] for problem in problems] == [words[0]]
    assert problems[0]["remedy"]


def test_check_does_without_a_credential_that_only_the_service_sees(
    small_station: SmallStation, tmp_path: Path
) -> None:
    lines = small_station.stage.config.read_text().splitlines(keepends=True)
    config = tmp_path / "station.toml"
    config.write_text("".join(line for line in lines if not line.startswith("credential_key_k1_file")))
    shown = forecourt("config", "check", "--config", str(config))
    assert shown.returncode == 0, shown.stdout
    assert "only the service sees it" in shown.stdout


def test_version_and_unknown_commands() -> None:
    shown = forecourt("--version")
    assert (shown.returncode, shown.stdout) == (0, "forecourt-agent 0.1.0\n")
    assert forecourt("nothing").returncode == 2
    assert forecourt("sale", "nothing").returncode == 2


def test_status_stays_lean(small_station: SmallStation) -> None:
    """Its time is bounded by what it imports: neither settings, nor SQLite, nor drivers, nor crypto."""
    code = (
        "import sys; from agent.cli import main; main(standalone_mode=False); "
        "print(*sys.modules, file=sys.stderr)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, "status", "--config", str(small_station.stage.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(shown.stderr.split())
    heavy = {
        "pydantic_settings",
        "sqlite3",
        "cryptography",
        "paho",
        "rich",
        "agent.app",
        "agent.store",
        "drivers",
    }
    assert heavy & loaded == set()
    assert "agent.cli.status" in loaded
