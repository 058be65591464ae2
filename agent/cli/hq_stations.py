"""`forecourt hq stations` and `forecourt hq lag`: how stations stand, and how fast a word reaches them."""

from dataclasses import asdict

from agent.cli.hq_database import DbOption, open_store
from agent.cli.render import as_json, span, table
from agent.cli.station import JsonOption


def stations(db: DbOption, json_output: JsonOption = False) -> None:
    """Each station as it said last itself: connected, version, clock, rules; and what HQ had from it."""
    from agent.clock import SystemClock
    from sync.hq.view import station_views

    store = open_store(db)
    now = SystemClock().wall_ms()
    views = station_views(store)
    store.close()
    if json_output:
        as_json({"ok": True, "stations": [asdict(view) for view in views]})
        return
    rows = [
        (
            view.station,
            "online" if view.online else "offline",
            view.agent_version,
            view.clock_quality,
            view.bundle,
            span(None if view.said_at_ms is None else now - view.said_at_ms),
            view.items,
            view.waiting,
        )
        for view in views
    ]
    table(("station", "", "version", "clock", "rules", "said", "items", "ahead"), rows)


def lag(db: DbOption, json_output: JsonOption = False) -> None:
    """How long a word takes to each station; STALE where one is without an answer for over 90 s."""
    from agent.clock import SystemClock
    from sync.hq.view import lags

    store = open_store(db)
    found = lags(store, SystemClock().wall_ms())
    store.close()
    if json_output:
        told = [asdict(one) | {"stale": one.is_stale} for one in found]
        as_json({"ok": not any(one.is_stale for one in found), "stations": told})
        return
    rows = [
        (
            one.station,
            one.issued_seq,
            one.obeyed_seq,
            one.waiting,
            one.refused,
            "" if one.oldest_ms is None else span(one.oldest_ms),
            one.p50_ms,
            one.p95_ms,
            "STALE" if one.is_stale else "",
        )
        for one in found
    ]
    names = ("station", "issued", "obeyed", "waiting", "refused", "oldest", "p50 ms", "p95 ms", "")
    table(names, rows)
