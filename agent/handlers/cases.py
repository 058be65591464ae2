"""Cases at the station: as HQ tells of them, and what staff write on them (features S-060, S-085, S-133)."""

from dataclasses import dataclass

from pydantic import ValidationError

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages import ids
from agent.messages.down import CaseUpdate
from agent.messages.service import CaseNote
from agent.store.cases import StoredCase, StoredNote
from agent.store.database import Transaction
from agent.store.outbox import SERVICE
from drivers.tripwire import holds_card
from sync.down import Down


@dataclass(frozen=True, slots=True)
class Noted:
    """`reason` "" and the note's number, or why it was not kept, and what to do."""

    reason: str = ""
    text: str = ""
    note_no: int = 0


def update_case(body: CaseUpdate, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reason: CASE_OLD."""
    known = tx.cases.get(body.case)
    if known is not None and body.version <= known.version:
        return Verdict("CASE_OLD", f"version {known.version} is here")
    tx.cases.keep(
        StoredCase(
            case_id=body.case,
            version=body.version,
            state=body.state,
            owner=body.owner,
            handler=body.handler,
            eta_ms=body.eta_ms,
            urgency=body.urgency,
            fact_id=ids.from_text(body.fact) if body.fact else None,
            zh=body.zh,
            en=body.en,
            at_ms=body.at_ms,
        )
    )
    return DONE


def note_case(case_id: str, author: str, note: str, tx: Transaction, at: Instant) -> Noted:
    """Keep what somebody wrote and send it up, now or when the road is back.

    Reasons: CASE_UNKNOWN, NOTE_EMPTY, NOTE_TOO_LONG, NOTE_HOLDS_CARD, NOTE_NAMES_SOMEBODY.
    """
    case = tx.cases.get(case_id)
    if case is None:
        return Noted("CASE_UNKNOWN", f"headquarters has told of no case {case_id}; `forecourt case list`")
    if not note.strip():
        return Noted("NOTE_EMPTY", "write what happened, in a sentence")
    if holds_card(note):
        return Noted("NOTE_HOLDS_CARD", "leave the card's number out: nobody may keep it")
    note_no = tx.cases.next_note_no(case_id)
    try:
        item = CaseNote(
            kind="case.note",
            case_id=case_id,
            note_no=note_no,
            owner=case.owner,
            author=author,
            note=note,
            at_ms=at.wall_ms,
        )
    except ValidationError as error:
        too_long = error.errors(include_input=False, include_url=False)[0]["type"] == "string_too_long"
        return (
            Noted("NOTE_TOO_LONG", "say it in 500 characters, or in two notes")
            if too_long
            else Noted("NOTE_NAMES_SOMEBODY", "leave telephone numbers, identity numbers and plates out")
        )
    seq = tx.outbox.put(SERVICE, "case.note", item.encoded(), at.wall_ms)
    tx.cases.add_note(StoredNote(case_id, note_no, author, note, at.wall_ms, seq))
    return Noted(note_no=note_no)
