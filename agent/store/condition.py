"""What `status` says of rules, darkness and the books besides the counts: from committed rows."""

import sqlite3
from dataclasses import asdict

from agent.store.bundles import Bundles
from agent.store.closes import Closes
from agent.store.darkness import Darkness
from agent.store.pauses import Pauses
from agent.store.station_notices import StationNotices

_NEVER_MS = 1 << 62


def condition(connection: sqlite3.Connection) -> dict[str, object]:
    """`dark_since_ms`: None while the road is there; `redemptions_paused`: None while HQ lets them be.

    `notices` are HQ's for staff, of which each says when. The others: None before there is one.
    """
    bundles = Bundles(connection)
    active, waiting = bundles.active(), bundles.candidate()
    stored = bundles.get(waiting.version) if waiting else None
    spells = Darkness(connection).spells(_NEVER_MS)
    close = Closes(connection).latest()
    pause = Pauses(connection).redemptions()
    notices = StationNotices(connection).for_staff()
    return {
        "redemptions_paused": pause and asdict(pause),
        "notices": [asdict(notice) for notice in notices],
        "dark_since_ms": next((began for began, ended in spells if ended is None), None),
        "active": active
        and {
            "bundle": active.bundle,
            "version": active.version,
            "since_ms": active.state_at_ms,
            "guard": asdict(bundles.guard(active.version)),
        },
        "candidate": stored
        and {
            "bundle": stored.bundle,
            "version": stored.version,
            "state": stored.state,
            "shadow": asdict(bundles.shadow(stored.version)),
        },
        "last_close": close
        and {
            "business_date": close.business_date,
            "last_seq": close.last_seq,
            "closed_at_ms": close.closed_at_ms,
            "outstanding_minor": sum(minor for _, minor in close.holdings.outstanding),
        },
    }
