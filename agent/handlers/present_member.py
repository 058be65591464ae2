"""A member shows a credential at a point, before or while fuelling."""

from dataclasses import replace

from agent.clock import Instant
from agent.handlers import reminders
from agent.handlers.credentials import why_refused
from agent.handlers.membership import language_of
from agent.handlers.passing_days import today
from agent.handlers.site import Site
from agent.handlers.slip import COLUMNS, wrapped
from agent.handlers.told import Told, refused
from agent.handlers.wording import said
from agent.store.database import Transaction
from drivers.events import Answer, CredentialShown, FuellingStarted, MemberPresented, Outcome


def present_member(event: MemberPresented, tx: Transaction, site: Site, at: Instant) -> Told:
    """Remember who is at the point; a credential shown twice is one member and lives on from the second."""
    credential = site.credential_key.hash(event.credential)
    if credential is None:
        return refused(site, why_refused(event.credential))
    if event.point not in site.points:
        return refused(site, "UNKNOWN_POINT", point=event.point)
    if tx.revocations.is_revoked(credential, at.wall_ms):
        text = said(site, "CREDENTIAL_REVOKED")
        return Told(Answer(Outcome.DONE, durable=True, reason="CREDENTIAL_REVOKED", text=text))
    tx.presentations.add(event.point, credential, at.wall_ms)
    member = tx.members.with_credential(credential)
    if member is None:
        text = said(site, "MEMBER_UNKNOWN")
        return Told(Answer(Outcome.DONE, durable=True, reason="MEMBER_UNKNOWN", text=text))
    business_date = today(tx, at)
    balance = tx.members.balance(member.member, business_date)
    assert balance is not None
    due = reminders.expiring_soon(member.member, business_date, tx, at)
    told = reminders.tell(member.member, due, tx, replace(site, language=language_of(member, site)), at)
    news = (*told.news, *told.reminders)
    text = " ".join((said(site, "PRESENTED", point=event.point), *news))
    return Told(
        Answer(
            Outcome.DONE,
            durable=True,
            balance_minor=balance.minor,
            balance_as_of_ms=balance.as_of_ms,
            provisional=balance.provisional,
            text=text,
            slip=tuple(line for one in news for line in wrapped(one, COLUMNS)),
        )
    )


def credential_shown(event: CredentialShown, line: str, tx: Transaction, site: Site, at: Instant) -> Told:
    """A card held to a dispenser's reader is a presentation at its point, if it was shown just now."""
    device_key = site.devices.get((line, event.address), "")
    places = (site.places.get((device_key, nozzle)) for nozzle in event.nozzles)
    points = {place.point for place in places if place is not None}
    reader = f"{device_key or event.address}/{'+'.join(event.nozzles)}"
    if event.shown is None or len(points) != 1:
        tx.alarms.count("SHOWN_LONG_AGO" if event.shown is None else "UNMAPPED_READER", reader, at.wall_ms)
        return Told(Answer(Outcome.DONE, durable=True))
    told = present_member(MemberPresented("", points.pop(), event.credential), tx, site, at)
    if told.answer.outcome is Outcome.REFUSED:
        tx.alarms.count(told.answer.reason, reader, at.wall_ms)
    return told


def fuelling_started(event: FuellingStarted, line: str, tx: Transaction, site: Site, at: Instant) -> Told:
    """A nozzle was lifted: who is presented at its point now no longer lapses."""
    device_key = site.devices.get((line, event.address), "")
    place = site.places.get((device_key, event.nozzle))
    if place is not None:
        tx.presentations.lift(place.point, at.wall_ms, at.wall_ms - site.limits.presentation_ms)
    return Told(Answer(Outcome.DONE, durable=True))
