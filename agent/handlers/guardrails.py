"""What takes a bundle back without anybody being asked: declines, wrong awards, crashes."""

from typing import Final

from agent.clock import Instant
from agent.handlers import rule_slots
from agent.messages import ids
from agent.points.award import award
from agent.points.inputs import AwardInputs
from agent.points.rules import Bundle
from agent.points.terms import Rollout
from agent.store.awards import StoredAward
from agent.store.bundles import GuardFigures, StoredBundle
from agent.store.database import Transaction

USUAL: Final = Rollout(
    id="usual",
    percent=100,
    shadow_sales=0,
    least_sales=20,
    declined_bp=5_000,
    mismatched=0,
    crashes=2,
)
"""The limits of a bundle without a rollout: the most of each that is put up with."""

DECLINED: Final = frozenset({"NO_RULE", "BEYOND_RANGE"})
"""A sale earned nothing although nobody decided so: the rules do not fit the sales."""

RECOMPUTED: Final = 20
"""Awards at most that are computed again each time."""


def check(tx: Transaction, at: Instant) -> None:
    """Put the last good bundle back if the active one has broken a limit.

    Only one step back. A bundle that was itself put back does no better: then it is not the rules
    that are at fault but the station, and older rules would not help it.
    """
    active = tx.bundles.active()
    if active is None:
        return
    bundle = tx.bundles.parsed(active.version)
    _compute_again(active, bundle, tx, at)
    reason = broken(bundle.rollout or USUAL, tx.bundles.guard(active.version))
    if not reason:
        return
    good = tx.bundles.previous_good()
    if good is None or _was_put_back(active, tx):
        rule_slots.suspect(active, reason, tx, at)
    else:
        rule_slots.put_back(active, good, reason, tx, at)


def broken(limits: Rollout, seen: GuardFigures) -> str:
    """The reason code of the first limit that is passed, or ""."""
    if seen.mismatched > limits.mismatched:
        return "AWARD_MISMATCH"
    if seen.crashes > limits.crashes:
        return "CRASH_LOOP"
    enough = seen.sales >= limits.least_sales
    return "DECLINE_RATE" if enough and seen.declined * 10_000 > limits.declined_bp * seen.sales else ""


def _was_put_back(active: StoredBundle, tx: Transaction) -> bool:
    return any(
        row.version > active.version and row.activated_at_ms is not None for row in tx.bundles.all_rows()
    )


def _compute_again(active: StoredBundle, bundle: Bundle, tx: Transaction, at: Instant) -> None:
    """The newest awards of the active bundle, from what is stored: each once."""
    checked_seq = tx.bundles.guard_marks(active.version).checked_seq
    fresh = [stored for stored in tx.awards.newest(RECOMPUTED) if stored.stream_seq > checked_seq]
    if not fresh:
        return
    for stored in fresh:
        if stored.version == active.version and not _is_reproduced(stored, bundle):
            tx.bundles.count_guard(active.version, mismatched=1)
            tx.alarms.count(
                "AWARD_MISMATCH", rule_slots.name_of(active), at.wall_ms, ids.text(stored.fact_id)
            )
    tx.bundles.checked(active.version, fresh[0].stream_seq)


def _is_reproduced(stored: StoredAward, bundle: Bundle) -> bool:
    """I4: what is stored gives the same award again, bit for bit."""
    try:
        inputs = AwardInputs.model_validate_json(stored.inputs)
    except ValueError:
        return False
    again = award(inputs, bundle)
    return (again.minor, again.model_dump_json(exclude_defaults=True)) == (stored.minor, stored.result)
