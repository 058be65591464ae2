"""What HQ decided about a member's points, as this station booked it. Stream `ledger`."""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.snapshot import Day, MemberId
from agent.points.values import MOST_MINOR, Name, Natural

MovedMinor = Annotated[int, Field(ge=-MOST_MINOR, le=MOST_MINOR)]


class Adjusted(Body):
    """HQ's item `command` was booked: the member has `minor` more, or (negative) less (S-054, S-074).

    Entries and lots follow from it. Given points: an entry `goodwill` and a lot of its own that lapses
    after `term_ends_on` ("" never), and an entry `repayment` where `repaid_minor` of them went into a debt.
    Taken by `adjust`: an entry `adjustment`. A `correction` is of the award at ledger-stream seq `of`; what
    it takes is an entry `correction`, and so is `borne_minor`, which was given too much and stays: the
    programme bears it. `lapsed_minor` of what a correction took had lapsed before: the member's balance
    falls by so much less. `on` is the business date.
    """

    kind: Literal["adjusted"]
    command: Annotated[str, Field(min_length=1, max_length=64)]
    cause: Literal["adjust", "correction"]
    of: Natural = 0
    member: MemberId
    minor: MovedMinor = 0
    borne_minor: Natural = 0
    repaid_minor: Natural = 0
    lapsed_minor: Natural = 0
    on: Day
    term_ends_on: Day = ""
    reason: Name
    case: Word = ""
    at_ms: Wall
