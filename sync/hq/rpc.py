"""HQ's answers to what a station asks before it acts: may this be spent, who is this (sync.md 1).

Decided and kept in one transaction that holds the member's account, signed after its commit. What HQ
said to a redemption it says again for ever (points.md, I14).
"""

from collections.abc import Callable

from sync import questions, topics
from sync.hq.allowance import AUTHORISATIONS, LOOKUPS
from sync.hq.grants import DECLINED, HORIZON_MS, OPEN, authorise
from sync.hq.store import Authorisation, HqStore, Writing

RATE_LIMITED = "RATE_LIMITED"
MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
REDEMPTION_TAKEN = "REDEMPTION_TAKEN"
"""This id was used for another member or another amount, or is over: nothing was decided about this one."""


class Answers:
    """Answers verified questions. `wall_ms` is HQ's wall clock, milliseconds UTC."""

    def __init__(self, store: HqStore, wall_ms: Callable[[], int]) -> None:
        self._store = store
        self._wall_ms = wall_ms

    def authorise(self, ask: questions.AuthoriseAsk) -> questions.AuthoriseReply:
        now_ms = self._wall_ms()
        with self._store.write() as tx:
            if not tx.asking.take(ask.station, topics.REDEMPTION_AUTHORISE, AUTHORISATIONS, now_ms):
                return _nothing(ask, RATE_LIMITED, now_ms)
            answer = _decided(tx, ask, now_ms)
        if (answer.member, answer.minor) != (ask.member, ask.minor):
            return _nothing(ask, REDEMPTION_TAKEN, now_ms)
        return questions.AuthoriseReply(
            station=ask.station,
            nonce=ask.nonce,
            redemption=ask.redemption,
            code=answer.code,
            rights_minor=answer.rights_minor,
            grant=answer.grant_id,
            grant_epoch=answer.grant_epoch,
            balance_minor=answer.balance_minor,
            as_of_ms=answer.at_ms,
            holds_until_ms=0 if answer.code else answer.at_ms + HORIZON_MS,
        )

    def lookup(self, ask: questions.LookupAsk) -> questions.LookupReply:
        now_ms = self._wall_ms()
        with self._store.write() as tx:
            if not tx.asking.take(ask.station, topics.MEMBER_LOOKUP, LOOKUPS, now_ms):
                return _nobody(ask, RATE_LIMITED, now_ms)
            member = ask.member or tx.members.member_of(ask.credential)
            account = tx.members.account(member) if member else None
            code = "" if account else MEMBER_UNKNOWN
            tx.asking.note(ask.station, ask.nonce, account.member if account else "", code, now_ms)
        if account is None:
            return _nobody(ask, code, now_ms)
        return questions.LookupReply.model_validate(
            {
                "station": ask.station,
                "nonce": ask.nonce,
                "member": account.member,
                "status": account.status,
                "tier": account.tier,
                "balance_minor": account.balance_minor,
                "pending_minor": account.pending_minor,
                "as_of_ms": now_ms,
            }
        )


def _decided(tx: Writing, ask: questions.AuthoriseAsk, now_ms: int) -> Authorisation:
    """What stands of this redemption: said before, or decided now."""
    account = tx.members.account(ask.member, lock=True)
    said = tx.rights.said(ask.station, ask.redemption)
    if said is not None:
        return said
    if account is not None:
        tx.rights.give_up(account.member, now_ms)
    standing = tx.rights.standing(account, now_ms) if account else None
    verdict = authorise(standing, ask.station, ask.minor, now_ms)
    return tx.rights.say(
        Authorisation(
            station=ask.station,
            redemption=ask.redemption,
            member=ask.member,
            minor=ask.minor,
            held_minor=verdict.held_minor,
            rights_minor=verdict.rights_minor,
            grant_id=verdict.grant,
            grant_epoch=verdict.grant_epoch,
            state=DECLINED if verdict.code else OPEN,
            code=verdict.code,
            balance_minor=account.balance_minor if account else 0,
            at_ms=now_ms,
        )
    )


def _nothing(ask: questions.AuthoriseAsk, code: str, now_ms: int) -> questions.AuthoriseReply:
    return questions.AuthoriseReply(
        station=ask.station,
        nonce=ask.nonce,
        redemption=ask.redemption,
        code=code,
        balance_minor=0,
        as_of_ms=now_ms,
    )


def _nobody(ask: questions.LookupAsk, code: str, now_ms: int) -> questions.LookupReply:
    return questions.LookupReply(station=ask.station, nonce=ask.nonce, code=code, as_of_ms=now_ms)
