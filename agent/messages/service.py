"""Cases: a person's question or complaint, opened and written on at the till, owned by somebody at HQ.

The number is made at the station, without asking anybody (station, day, counter, check character).
HQ answers by the downward kind `case.update`.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.words import Code, FailureClass, Id, Ids, Note, Sha256, Urgency
from agent.points.values import Natural, Positive

CaseEvent = tuple[Word, Code, Wall]
"""What happened (a kind of item), its code, and when."""


class CaseOpen(Body):
    """A case begins. `urgency` "extreme" asks for an answer within five minutes (S-132).

    `owner` is the first person who was asked: they keep it to the end (S-058, S-181). `of` is the fact
    that it is about, 0 without one, and `trace` what was attached to it (S-157); `flow` is how the sale
    went at the till ("scan", "tag at the pump"), as the slip's code says it too (S-087).
    """

    kind: Literal["case.open"]
    case_id: Id
    owner: Word
    urgency: Urgency = "ordinary"
    failure_class: FailureClass = ""
    code: Code = ""
    member: Word = ""
    tier: Word = ""
    member_class: Word = ""
    redemption: Word = ""
    incident: Word = ""
    of: Natural = 0
    trace: Word = ""
    flow: Word = ""
    note: Note = ""
    deadline_ms: Wall = 0
    at_ms: Wall


class CaseNote(Body):
    """Somebody at the station wrote on a case, or marked it more urgent. `note_no` counts per case."""

    kind: Literal["case.note"]
    case_id: Id
    note_no: Positive
    owner: Word
    author: Word
    urgency: Urgency = "ordinary"
    note: Note
    at_ms: Wall


class CaseContext(Body):
    """What happened before, so that nobody has to tell it twice (S-180): the last events, newest first."""

    kind: Literal["case.context"]
    case_id: Id
    owner: Word
    member: Word = ""
    events: Annotated[tuple[CaseEvent, ...], Field(max_length=50)]
    redemptions: Ids = ()
    at_ms: Wall


class SupportBundle(Body):
    """An archive was made here for this case; it is fetched by its hash, never sent (S-028)."""

    kind: Literal["support.bundle"]
    id: Id
    case_id: Word = ""
    sha256: Sha256
    size_bytes: Positive
    at_ms: Wall
