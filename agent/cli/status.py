"""`forecourt status`: is the station well, from its own mouth; or from its database when it does not run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, moment, pairs, span, table
from agent.cli.station import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ask,
    database_of,
    settings_of,
    socket_of,
)

Status = Mapping[str, Any]


def status(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """Mode, lines, the road to headquarters, facts and alarms. Exit code 1 when something is not well."""
    answer = ask(socket_of(config, json_output=json_output), {"verb": "status"})
    shown = _healthy(answer) if answer else _from_database(config, json_output=json_output)
    if json_output:
        as_json(shown)
    else:
        _print(shown)
    if not shown["ok"]:
        raise typer.Exit(Exit.REFUSED)


def _healthy(answer: Status) -> Status:
    """A stream that stopped is not well either: what HQ holds and what we hold have parted."""
    halted = (answer.get("road") or {}).get("halted")
    return {**answer, "ok": bool(answer["ok"]) and not halted}


def _from_database(config: Path, *, json_output: bool) -> Status:
    from agent.clock import SystemClock
    from agent.store import reading
    from agent.store.condition import condition

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        kept = {**reading.summary(connection, SystemClock().wall_ms()), **condition(connection)}
    return {"ok": False, "mode": "STOPPED", "reason": "AGENT_NOT_RUNNING", "lines": [], "road": None, **kept}


def _print(shown: Status) -> None:
    if shown["mode"] == "STOPPED":
        typer.echo(f"{shown['station']}  STOPPED: the agent does not run, this is from its database")
        typer.echo("start it with `systemctl start forecourt`; `journalctl -u forecourt` says why it ended")
    else:
        road_s = f", so since {span(shown['road']['mode_for_ms'])}" if shown["road"] else ""
        typer.echo(f"{shown['station']}  {shown['mode']}{road_s}{'' if shown['ok'] else '  NOT WELL'}")
    pairs(_facts(shown))
    for notice in shown["notices"]:
        when = f"{moment(notice['from_ms'])} to {moment(notice['until_ms'])} UTC"
        typer.echo(f"\nheadquarters, {when}: {notice['en'] or notice['zh']}")
    if shown["lines"]:
        typer.echo("\nlines")
        columns = ("name", "port", "heard", "silent", "last hour", "counted", "trouble")
        table(columns, map(_line, shown["lines"]))
    if shown["queues"]:
        typer.echo("\nwaiting for headquarters")
        table(("stream", "rows", "about", "oldest"), map(_queue, shown["queues"]))
    if shown["alarms"]:
        typer.echo("\nalarms since the beginning, the latest first")
        table(
            ("code", "times", "last (UTC)", "at", "detail"),
            (
                (a["code"], a["times"], moment(a["last_at_ms"]), a["subject"], a["detail"])
                for a in shown["alarms"]
            ),
        )


def _facts(shown: Status) -> dict[str, object]:
    snapshot = shown["member_snapshot"]
    facts = f"{shown['facts']}, {shown['facts_without_award']} without points"
    kept = {
        "facts": f"{facts}; {shown['waiting_sales']} sales wait for their fuelling",
        "gaps": f"{shown['gaps']} times litres passed a meter without a record" if shown["gaps"] else "none",
        "awards": shown["awards"],
        "points": f"{shown['points_minor']} minor units",
        "members": f"{shown['members']}, snapshot {snapshot['version']}" if snapshot else "no snapshot yet",
        "rules": _rules(shown),
        "dark since": f"{moment(shown['dark_since_ms'])} UTC" if shown["dark_since_ms"] else "not dark",
        "redemptions": _paused(shown["redemptions_paused"]),
        "last close": _close(shown["last_close"]),
        "incarnation": shown["epoch"],
    }
    if shown["mode"] == "STOPPED":
        return kept
    running = f"{shown['version']}, process {shown['pid']}, since {span(shown['running_ms'])}"
    refused = ", ".join(f"{code} {times}" for code, times in shown["control_refused"].items())
    about = {
        "agent": running,
        "clock": shown["clock"],
        "free disk": f"{shown['free_disk_mib']} MiB{_given_up(shown)}",
        "refused on the socket": refused or "nothing",
    }
    road = {
        "headquarters": _road(shown["road"]),
        "orders": _orders(shown["orders"]),
        "certificate": _certificate(shown["certificate"]),
    }
    return {**about, **road, **kept}


def _orders(orders: Status) -> str:
    """Numbered orders: how far, whether there are more, and how old headquarters' word is."""
    age_ms = orders["answer_age_ms"]
    word = "headquarters has not answered yet" if age_ms is None else f"answered {span(age_ms)} ago"
    behind = f", {orders['behind']} more are issued" if orders["behind"] else ""
    stale = "  STALE" if orders["stale"] else ""
    return f"{orders['seq']} consumed{behind}; keys of version {orders['keys_version']}; {word}{stale}"


def _certificate(standing: Status | None) -> str:
    if standing is None:
        return "none of our own"
    asked = ", a new one is asked for" if standing["is_asked_for"] else ""
    trouble = f"; {standing['trouble']}" if standing["trouble"] else ""
    return f"until {moment(standing['ends_ms'])} UTC, {standing['days_left']} days left{asked}{trouble}"


def _given_up(shown: Status) -> str:
    if shown["disk"] == "FINE":
        return ""
    return f", {shown['disk']}{': points are not redeemed' if shown['redemptions_refused'] else ''}"


def _rules(shown: Status) -> str:
    """The bundle that judges now, what the guardrails see of it, and the candidate beside it."""
    active, candidate = shown["active"], shown["candidate"]
    told = shown["bundle"] or "no bundle yet"
    if active:
        guard = active["guard"]
        told += (
            f"; {guard['sales']} sales since {moment(active['since_ms'])} UTC, {guard['declined']} declined, "
            f"{guard['mismatched']} mismatched, {guard['crashes']} crashes"
        )
    if candidate:
        judged = candidate["shadow"]["sales"]
        told += f"; version {candidate['version']} {candidate['state']}, {judged} sales judged beside it"
    return told


def _paused(pause: Mapping[str, Any] | None) -> str | None:
    return (
        f"paused until {moment(pause['until_ms'])} UTC by headquarters: {pause['reason']}" if pause else None
    )


def _close(close: Status | None) -> str:
    return f"{close['business_date']}, ledger {close['last_seq']}" if close else "none yet"


def _road(road: Status | None) -> str:
    if road is None:
        return "not started yet"
    heard = "never heard" if road["hq_age_ms"] is None else f"heard {span(road['hq_age_ms'])} ago"
    where = f" by {road['broker']}" if road["broker"] else ", no broker"
    trouble = f"; last trouble: {road['trouble']}" if road["trouble"] else ""
    clears = f"; what waits is there in {span(road['clears_in_ms'])}" if road["clears_in_ms"] else ""
    halted = "".join(f"; stream {name} HALTED: {why}" for name, why in road["halted"].items())
    refused = "".join(f"; {code} {times}" for code, times in road["refused"].items())
    return f"{heard}, {road['breaker']}{where}{clears}{trouble}{halted}{refused}"


def _queue(queue: Status) -> tuple[object, ...]:
    waiting = queue["waiting"]
    oldest = span(queue["oldest_waiting_ms"]) if waiting else None
    return queue["stream"], waiting, f"{queue['waiting_bytes']} bytes" if waiting else None, oldest


def _line(line: Status) -> tuple[object, ...]:
    counted = ", ".join(f"{code} {times}" for code, times in sorted(line["counters"].items()) if times)
    heard = "never" if line["heard_ago_ms"] is None else f"{span(line['heard_ago_ms'])} ago"
    port = "open" if line["port_open"] else "CLOSED"
    silent, quality = " ".join(line["silent_addresses"]), _quality(line["quality"])
    return line["name"], port, heard, silent, quality, counted, line["trouble"]


def _quality(quality: Status | None) -> str:
    """Errors and answer time of the last hour, where enough was heard to say."""
    if quality is None or quality["error_bp"] is None:
        return "WORSE" if quality and quality["is_worse"] else ""
    errors = f"{quality['error_bp'] // 100}.{quality['error_bp'] % 100:02d} % errors"
    answers = "" if quality["answer_ms"] is None else f", {quality['answer_ms']} ms"
    return f"{'WORSE: ' if quality['is_worse'] else ''}{errors}{answers}"
