"""What HQ tells this station is obeyed: once each, in order of number, and HQ hears what became of it."""

from dataclasses import dataclass

from pydantic import ValidationError

from agent.clock import ClockQuality, Instant
from agent.handlers.obey_kinds import AFTERWARDS, Handlers
from agent.handlers.site import Site
from agent.handlers.verdict import Verdict
from agent.messages.down import KINDS
from agent.messages.upkeep import Applied
from agent.points.values import Value
from agent.store.database import PromiseBroken, Transaction
from agent.store.down import DownItem, DownItems
from sync.down import Down
from sync.outbox import URGENT

MOST_DETAIL = 200

_MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    PromiseBroken,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a mistake of ours in a handler can look like: one item must not stop the station for ever."""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """`reason` "" where the item took effect, now or before. `consumed`: its number is used up.

    `ask_again`: HQ should be asked where it stands. `afterwards`: what is to be done after the commit.
    """

    reason: str = ""
    detail: str = ""
    consumed: bool = False
    ask_again: bool = False
    afterwards: Value | None = None


def obey(
    down: Down,
    sha256: bytes,
    tx: Transaction,
    site: Site,
    attested_ms: int | None,
    at: Instant,
    handlers: Handlers,
) -> Obeyed:
    """Take one item whose signature was checked; `sha256` is of what was signed.

    `attested_ms`: the time by `attested`, None if nobody vouches for one. Reasons that consume nothing are
    those of `out_of_turn`, and CLOCK_UNSURE. From there on the number is consumed, whatever becomes of
    the item: ALREADY_APPLIED, DOWN_EXPIRED, UNKNOWN_KIND, BODY_MALFORMED, HANDLER_FAILED, or the kind's own
    reason. A refusal leaves its row, its `applied` item and an alarm, and nothing else.
    """
    if turned_away := out_of_turn(down, sha256, tx.down, site):
        return turned_away
    if attested_ms is None:
        return Obeyed("CLOCK_UNSURE", "neither this clock nor HQ's word says what time it is", ask_again=True)
    body = _objection(down, attested_ms, tx, handlers) or _body(down)
    verdict = body if isinstance(body, Verdict) else _carry_out(body, down, tx, site, at, handlers)
    detail = verdict.detail[:MOST_DETAIL]
    _record(down, sha256, Verdict(verdict.reason, detail), tx, at)
    done = isinstance(body, Value) and not verdict.reason and down.kind in AFTERWARDS
    afterwards = body if done and isinstance(body, Value) else None
    return Obeyed(verdict.reason, detail, consumed=True, afterwards=afterwards)


def out_of_turn(down: Down, sha256: bytes, held: DownItems, site: Site) -> Obeyed | None:
    """Why this item is not the next one; None if it is. Reads only.

    Reasons: OTHER_STATION, DOWN_REPLAYED (its number was another item's), DOWN_GAP; "" for a repetition.
    """
    if down.station != site.station:
        return Obeyed("OTHER_STATION", f"for station {down.station}")
    last = held.last_seq()
    if down.down_seq > last + 1:
        return Obeyed("DOWN_GAP", f"{down.down_seq} follows {last}", ask_again=True)
    if down.down_seq == last + 1:
        return None
    former = held.at(down.down_seq)
    if former is None or former.sha256 == sha256:
        return Obeyed()
    return Obeyed("DOWN_REPLAYED", f"{down.down_seq} was {former.kind} {former.id}, this is {down.kind}")


def attested(at: Instant, hq_ms: int | None) -> int | None:
    """The time against which HQ's terms are held; `hq_ms` is HQ's, by its last fresh answer.

    Our clock if a time service has set it; else HQ's, for a clock that nobody set may be years ahead and
    would burn what HQ says; else ours if nothing speaks against it.
    """
    if at.quality is ClockQuality.SYNCED:
        return at.wall_ms
    if hq_ms is not None:
        return hq_ms
    return None if at.quality is ClockQuality.UNTRUSTED else at.wall_ms


def _objection(down: Down, attested_ms: int, tx: Transaction, handlers: Handlers) -> Verdict | None:
    if (before := tx.down.took_effect(down.id)) is not None:
        return Verdict("ALREADY_APPLIED", f"as {before}")
    if attested_ms > down.not_after_ms:
        return Verdict("DOWN_EXPIRED", f"{(attested_ms - down.not_after_ms) // 1000} s too late")
    if down.kind not in KINDS or down.kind not in handlers:
        return Verdict("UNKNOWN_KIND", "this version does not know it")
    return None


def _body(down: Down) -> Value | Verdict:
    try:
        return KINDS[down.kind].model_validate_json(down.body_json)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Verdict("BODY_MALFORMED", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except ValueError as error:
        return Verdict("BODY_MALFORMED", type(error).__name__)


def _carry_out(
    body: Value, down: Down, tx: Transaction, site: Site, at: Instant, handlers: Handlers
) -> Verdict:
    try:
        return tx.attempt(
            lambda: handlers[down.kind](body, tx, site, at, down),
            lambda verdict: not verdict.reason,
        )
    except _MISTAKES as mistake:
        return Verdict("HANDLER_FAILED", type(mistake).__name__)


def _record(down: Down, sha256: bytes, verdict: Verdict, tx: Transaction, at: Instant) -> None:
    if verdict.reason:
        tx.alarms.count(verdict.reason, f"down {down.kind}", at.wall_ms, verdict.detail)
    row = DownItem(
        down_seq=down.down_seq,
        id=down.id,
        kind=down.kind,
        sha256=sha256,
        verdict=verdict.reason,
        detail=verdict.detail,
        issued_at_ms=down.issued_at_ms,
        consumed_at_ms=at.wall_ms,
    )
    tx.down.add(row)
    item = Applied(
        kind="applied",
        seq=down.down_seq,
        id=down.id,
        verdict=verdict.reason,
        issued_at_ms=down.issued_at_ms,
        at_ms=at.wall_ms,
        detail=verdict.detail,
    )
    tx.outbox.put(URGENT, "applied", item.encoded(), at.wall_ms)
