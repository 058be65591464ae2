"""The places a rule bundle can have at a station, and the moves between them; HQ is told of each.

One bundle is ACTIVE, the newest RETIRED one is the last good, at most one is the candidate (VERIFIED or
SHADOW). The bytes of all stay: they judge late sales and refunds.
"""

from agent.clock import Instant
from agent.messages import bodies
from agent.messages.rollout import bucket
from agent.points.rules import Bundle
from agent.store.bundles import GuardFigures, ShadowFigures, State, StoredBundle
from agent.store.database import Transaction
from agent.store.outbox import LEDGER, SERVICE

CANDIDATE = ("VERIFIED", "SHADOW")


def enter(stored: StoredBundle, tx: Transaction, at: Instant) -> None:
    """A bundle that was found sound becomes the candidate in place of the former one."""
    if former := tx.bundles.candidate():
        reject(former.version, "SUPERSEDED", tx, at)
    tx.bundles.add(stored)
    _tell(stored, "VERIFIED", "", tx, at)


def judge_in_shadow(version: int, tx: Transaction, at: Instant, reason: str = "") -> None:
    """`reason` JUDGED: it has seen as many live sales as its rollout asks for."""
    _move(_held(version, tx), "SHADOW", tx, at, reason)


def reject(version: int, reason: str, tx: Transaction, at: Instant) -> None:
    """It judges nothing any more, and never will again."""
    _move(_held(version, tx), "REJECTED", tx, at, reason)


def take_effect(tx: Transaction, station: str, at: Instant) -> bool:
    """Make the candidate ACTIVE if its time has come here; whether it was so.

    Without a rollout, or as a station's first, it is in force from its effective_from, however late it
    came. With one it is in force from now: whatever was fuelled before is judged as it would have been.
    """
    candidate = tx.bundles.candidate()
    if candidate is None or not _is_due(candidate, tx, station, at):
        return False
    former = tx.bundles.active()
    staged = candidate.rollout is not None and former is not None
    since_ms = max(candidate.effective_from_ms, at.wall_ms) if staged else candidate.effective_from_ms
    if former is not None:
        _move(former, "RETIRED", tx, at, former.reason)
    _activate(_held(candidate.version, tx), tx, at, since_ms)
    return True


def put_back(active: StoredBundle, good: StoredBundle, reason: str, tx: Transaction, at: Instant) -> None:
    """`active` is taken back for ever, and `good` judges again from where it did before."""
    _move(active, "REJECTED", tx, at, reason)
    _activate(good, tx, at)
    tx.alarms.count("BUNDLE_ROLLED_BACK", name_of(active), at.wall_ms, reason)


def suspect(active: StoredBundle, reason: str, tx: Transaction, at: Instant) -> None:
    """There is nothing better to go back to: it stays, and somebody has to look, told once."""
    if not active.reason:
        _move(active, "ACTIVE", tx, at, reason)
        tx.alarms.count("BUNDLE_SUSPECT", name_of(active), at.wall_ms, reason)


def withdraw(version: int, tx: Transaction, at: Instant) -> None:
    """HQ takes a version back, wherever it stands here."""
    stored = tx.bundles.get(version)
    if stored is None or stored.state == "REJECTED":
        return
    good = tx.bundles.previous_good()
    if stored.state != "ACTIVE":
        reject(version, "WITHDRAWN", tx, at)
    elif good is not None:
        put_back(stored, good, "WITHDRAWN", tx, at)
    else:
        suspect(stored, "WITHDRAWN", tx, at)


def percent_of(candidate: Bundle, tx: Transaction) -> int:
    """How many stations of a hundred take it: HQ's newest word on it, else what the bundle begins with."""
    assert candidate.rollout is not None
    word = tx.bundles.rollout_of(candidate.version)
    spoken = word is not None and word.rollout == candidate.rollout.id
    return word.percent if spoken and word else candidate.rollout.percent


def name_of(stored: StoredBundle) -> str:
    return f"bundle {stored.bundle} {stored.version}"


def _is_due(candidate: Bundle, tx: Transaction, station: str, at: Instant) -> bool:
    rollout = candidate.rollout
    if at.wall_ms < candidate.effective_from_ms:
        return False
    if rollout is None or tx.bundles.active_version() is None:
        return True
    if tx.bundles.shadow(candidate.version).sales < rollout.shadow_sales:
        return False
    return bucket(station, rollout.id) < percent_of(candidate, tx)


def _activate(stored: StoredBundle, tx: Transaction, at: Instant, since_ms: int | None = None) -> None:
    _move(stored, "ACTIVE", tx, at, in_force_from_ms=since_ms)
    tx.bundles.begin_guard(stored.version, tx.outbox.next_seq(LEDGER) - 1)


def _held(version: int, tx: Transaction) -> StoredBundle:
    stored = tx.bundles.get(version)
    assert stored is not None
    return stored


def _move(
    stored: StoredBundle,
    state: State,
    tx: Transaction,
    at: Instant,
    reason: str = "",
    in_force_from_ms: int | None = None,
) -> None:
    tx.bundles.move(stored.version, state, at.wall_ms, reason, in_force_from_ms)
    _tell(stored, state, reason, tx, at)


def _tell(stored: StoredBundle, state: State, reason: str, tx: Transaction, at: Instant) -> None:
    """With the figures of the state that it leaves: a candidate's in shadow, an active one's guardrails."""
    shadow, guard = ShadowFigures(), GuardFigures()
    if stored.state == "ACTIVE":
        guard = tx.bundles.guard(stored.version)
    elif stored.state in CANDIDATE:
        shadow = tx.bundles.shadow(stored.version)
    item = bodies.RulesState(
        kind="rules.state",
        bundle=stored.bundle,
        version=stored.version,
        state=state,
        reason=reason,
        sales=guard.sales or shadow.sales,
        more=shadow.more,
        fewer=shadow.fewer,
        active_minor=shadow.active_minor,
        candidate_minor=shadow.candidate_minor,
        declined=guard.declined,
        mismatched=guard.mismatched,
        crashes=guard.crashes,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "rules.state", item.encoded(), at.wall_ms)
