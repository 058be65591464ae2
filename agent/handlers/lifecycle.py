"""The life of a rule bundle at this station: judged beside the active one, put in force, watched, taken back.

received → VERIFIED → SHADOW → ACTIVE → RETIRED | REJECTED; `rule_slots` has the moves, `guardrails` the
limits. What happened is judged by the rules of its time, so nothing here ever changes an award.
"""

from typing import Final

from agent.clock import Instant
from agent.handlers import guardrails, rule_slots
from agent.handlers.passing_days import count_pauses
from agent.handlers.site import Site
from agent.points.award import Award, award
from agent.points.inputs import AwardInputs
from agent.points.rules import Bundle
from agent.points.terms import ExpiryPause
from agent.store.database import Transaction
from agent.store.outbox import LEDGER

CRASH_MS: Final = 600_000
"""A run that ended uncleanly within this time of its start was a crash of a loop."""

_MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a mistake in rules, or in the code that reads them, can look like."""


def observe(inputs: AwardInputs, earned: Award, bundle: Bundle, tx: Transaction) -> None:
    """A sale was judged by `bundle`: count it, and ask the candidate what it would have given.

    Inside the sale's transaction. Whatever a candidate does, the sale stands.
    """
    tx.bundles.count_guard(bundle.version, sales=1, declined=int(earned.reason in guardrails.DECLINED))
    candidate = tx.bundles.candidate()
    if candidate is not None and bundle.version == tx.bundles.active_version():
        _judge_beside(inputs, earned, candidate, tx)


def take_effect(tx: Transaction, site: Site, at: Instant) -> bool:
    """Put the candidate in force if its time has come: asked before a sale is judged, and every 30 s."""
    if tx.bundles.candidate() is None:
        return False
    former = tx.bundles.active_version()
    if not rule_slots.take_effect(tx, site.station, at):
        return False
    _count_new_pauses(former, tx, site)
    return True


def advance(tx: Transaction, site: Site, at: Instant) -> None:
    """Whatever is due now: guardrails first, so that a new bundle does not retire a broken one."""
    from agent.handlers.settle_waiting import settle_waiting  # a sale being settled calls `observe` here

    _check(tx, site, at)
    _look_at_candidate(tx, at)
    if take_effect(tx, site, at):
        settle_waiting("NO_RULES", tx, site, at)


def note_start(boot: str, tx: Transaction, site: Site, at: Instant) -> None:
    """The agent begins a run. If the one before crashed early, its bundle may have to go, at once.

    A run that another start of the machine (`boot`) ended was not the agent's fault.
    """
    former, active = tx.runs.latest(), tx.bundles.active()
    tx.runs.begin(at.wall_ms, boot)
    if former is None or active is None:
        return
    if former.ended_at_ms is not None or at.wall_ms - former.started_at_ms >= CRASH_MS:
        tx.bundles.forgive_crashes(active.version)
    elif former.boot == boot and former.started_at_ms >= active.state_at_ms:
        # (a run that began under the rules before is no evidence against these)
        tx.bundles.count_guard(active.version, crashes=1)
        _check(tx, site, at)


def note_end(tx: Transaction, at: Instant) -> None:
    """The run ends as it should."""
    run = tx.runs.latest()
    if run is not None:
        tx.runs.end(run.run_id, at.wall_ms)


def note_mismatches(total: int, tx: Transaction, at: Instant) -> None:
    """HQ's signed word on how many awards of this epoch it computed otherwise, `total` so far.

    Acks may overtake each other: a lower total than before is an old one. While HQ has not seen a sale
    under the active bundle, its differences are of another one.
    """
    known = tx.forks.mismatched()
    if total <= known:
        return
    tx.forks.note_mismatched(total)
    active = tx.bundles.active()
    if active is None:
        return
    tx.alarms.count("AWARD_MISMATCH", "headquarters", at.wall_ms, f"{total} awards of this epoch")
    if tx.outbox.watermark(LEDGER).seq > tx.bundles.guard_marks(active.version).since_seq:
        tx.bundles.count_guard(active.version, mismatched=total - known)


def _check(tx: Transaction, site: Site, at: Instant) -> None:
    former = tx.bundles.active_version()
    guardrails.check(tx, at)
    _count_new_pauses(former, tx, site)


def _count_new_pauses(former: int | None, tx: Transaction, site: Site) -> None:
    """Other rules than the `former` ones judge now: lots that are here get the pauses of these, too."""
    active = tx.bundles.active_version()
    if former is None or active is None:
        return
    new = tx.bundles.parsed(active)
    if _pauses(tx.bundles.parsed(former)) != _pauses(new):
        count_pauses(new, tx, site)


def _pauses(bundle: Bundle) -> tuple[ExpiryPause, ...]:
    return bundle.expiry.pause if bundle.expiry else ()


def _judge_beside(inputs: AwardInputs, earned: Award, candidate: Bundle, tx: Transaction) -> None:
    try:
        other = award(inputs, candidate)
    except _MISTAKES:
        tx.bundles.count_guard(candidate.version, crashes=1)
        return
    tx.bundles.count_shadow(
        candidate.version,
        more=int(other.minor > earned.minor),
        fewer=int(other.minor < earned.minor),
        active_minor=earned.minor,
        candidate_minor=other.minor,
    )


def _look_at_candidate(tx: Transaction, at: Instant) -> None:
    """One that failed in shadow is rejected; of one that was judged enough HQ is told the figures."""
    candidate = tx.bundles.candidate()
    if candidate is None:
        return
    version, rollout = candidate.version, candidate.rollout
    if tx.bundles.guard(version).crashes:
        rule_slots.reject(version, "SHADOW_FAILED", tx, at)
    elif rollout is not None and 0 < rollout.shadow_sales <= tx.bundles.shadow(version).sales:
        stored = tx.bundles.get(version)
        if stored is not None and not stored.reason:
            rule_slots.judge_in_shadow(version, tx, at, "JUDGED")
