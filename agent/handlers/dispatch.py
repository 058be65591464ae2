"""Which verb an event from a device or a POS calls."""

from dataclasses import replace
from typing import assert_never

from agent.clock import Instant
from agent.handlers.bind_sale import candidate_chosen, sale_paid
from agent.handlers.identify_late import identify_late
from agent.handlers.present_member import credential_shown, fuelling_started, present_member
from agent.handlers.reconcile import tank_delivered, tank_read
from agent.handlers.record_fuelling import record_fuelling
from agent.handlers.refund_sale import refund_sale
from agent.handlers.site import Site
from agent.handlers.told import Seen, Told
from agent.store.database import Transaction
from drivers.events import (
    CandidateChosen,
    CredentialShown,
    Fuelling,
    FuellingStarted,
    MemberIdentified,
    MemberPresented,
    PosRequest,
    SalePaid,
    SaleRefunded,
    TankDelivery,
    TankRead,
    TankReport,
)

Report = Fuelling | FuellingStarted | CredentialShown | TankReport | PosRequest
"""The events that the till must write down; what a device's silence means is the supervisor's business."""


def handle(event: Report, line: str, seen: Seen, tx: Transaction, site: Site, at: Instant) -> Told:
    if wordings := tx.catalogue.wordings():
        site = replace(site, wordings=wordings)
    match event:
        case Fuelling():
            return record_fuelling(event, line, seen, tx, site, at)
        case FuellingStarted():
            return fuelling_started(event, line, tx, site, at)
        case CredentialShown():
            return credential_shown(event, line, tx, site, at)
        case TankRead():
            return tank_read(event, line, tx, site, at)
        case TankDelivery():
            return tank_delivered(event, line, tx, site, at)
        case MemberPresented():
            told = present_member(event, tx, site, at)
        case SalePaid():
            told = sale_paid(event, tx, site, at)
        case CandidateChosen():
            told = candidate_chosen(event, tx, site, at)
        case MemberIdentified():
            told = identify_late(event, tx, site, at)
        case SaleRefunded():
            told = refund_sale(event, tx, site, at)
        case _:
            assert_never(event)
    if told.answer.outcome == "refused":
        tx.alarms.count(told.answer.reason, f"register {event.register}", at.wall_ms)
    return told
