"""Signs of misuse, what was frozen because of them, and how it ended. Stream `urgent` (S-011 to S-014)."""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.words import Code, Evidence, Id, Ids
from agent.points.values import Natural, Positive


class RiskSignal(Body):
    """A risk rule spoke: which (`code`), about whom, what it measured, and what was done about it.

    `credential` is the keyed hash, for a member that is not known here. `attempts` counts failed proofs
    in a row (S-119). Patterns of a till or an attendant (S-164, S-165) have neither member nor credential.
    """

    kind: Literal["risk.signal"]
    id: Id
    code: Code
    member: Word = ""
    credential: Word = ""
    redemption: Word = ""
    of: Natural = 0
    till: Word = ""
    attendant: Word = ""
    outcome: Literal["ALLOW", "STEP_UP", "FREEZE", "DECLINE", "NOTED"]
    attempts: Natural = 0
    minor: Natural = 0
    evidence: Evidence = ()
    at_ms: Wall


class FreezeOpened(Body):
    """Debits of this member stop here, earning never does; provisional until HQ decides.

    The three times say how fast: noticed, decided, in force (S-014). It lapses to a step-up by itself.
    """

    kind: Literal["freeze.opened"]
    id: Id
    member: Word
    signals: Ids = ()
    code: Code
    minor: Natural = 0
    detected_at_ms: Wall
    decided_at_ms: Wall
    applied_at_ms: Wall
    lapses_at_ms: Wall
    case: Word = ""


class FreezeChanged(Body):
    """A freeze went on: HQ's command `command` confirmed or lifted it, or nobody decided in time."""

    kind: Literal["freeze.changed"]
    id: Id
    member: Word
    state: Literal["CONFIRMED", "LIFTED", "LAPSED_TO_STEP_UP", "OVERDUE"]
    command: Word = ""
    code: Code = ""
    at_ms: Wall


class FraudCase(Body):
    """Everything about one suspicion in one item, for the people at HQ who look into it (S-013)."""

    kind: Literal["fraud.case"]
    id: Id
    case: Id
    member: Word = ""
    signals: Ids = ()
    redemptions: Ids = ()
    facts: Annotated[tuple[Positive, ...], Field(max_length=100)] = ()
    """Seqs in the stream `ledger`."""
    minor: Natural = 0
    value_fen: Natural = 0
    code: Code
    evidence: Evidence = ()
    at_ms: Wall


class RewardFlagged(Body):
    """A reward fails here more often than in the programme: `suspended` once it is far too often (S-192)."""

    kind: Literal["reward.flagged"]
    id: Id
    reward: Word
    partner: Word = ""
    asked: Positive
    failed: Natural
    here_bp: Natural
    programme_bp: Natural
    suspended: bool = False
    at_ms: Wall
