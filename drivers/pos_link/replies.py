"""What the agent says: ANSWER and SHOW as values, both ways (NOTES.md, "Messages").

`write_answer`, `write_refusal` and `write_show` are our end, `read_reply` the POS's, used by the simulator.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drivers.events import Answer, Candidate, Notice, Outcome
from drivers.pos_link.fields import (
    PROFILE_VERSION,
    Layout,
    Parsed,
    Refusal,
    digits,
    one_of,
    paper,
    presentable,
    printable,
    read,
    signed,
    text,
    write,
)

STORED = frozenset({Outcome.DONE, Outcome.REPEATED, Outcome.AMBIGUOUS, Outcome.WAITING})
"""Outcomes that tell the POS "we have it": said only of a durable answer."""
_LONGEST_AGO_S = 9_999_999

_TEXT = text("text", 120, optional=True)
_STANDINGS = ("confirmed", "provisional")
_COLUMNS = 32
"""What fits side by side on paper of 58 mm."""
_SLIP = Layout("", (digits("slip", 2),), row=(paper("line", _COLUMNS),), most_rows=12)

ANSWER = Layout(
    "ANSWER",
    (
        one_of("outcome", tuple(Outcome)),
        text("reason", 40, optional=True),
        text("field", 40, optional=True),
        text("fact_id", 64, optional=True),
        signed("points_minor", 20, optional=True),
        signed("balance_minor", 20, optional=True),
        signed("balance_as_of_ms", 15, optional=True),
        one_of("standing", _STANDINGS),
        _TEXT,
        digits("candidates", 2),
    ),
    row=(
        text("fact_id", 64),
        text("nozzle", 16, optional=True),
        text("product", 24, optional=True),
        digits("volume_ml", 16),
        digits("amount_fen", 16),
        digits("ended_ago_s", 7),
    ),
    most_rows=8,
    later=_SLIP,
)
SHOW = Layout(
    "SHOW",
    (
        text("pos_sale_id", 40, optional=True),
        text("point", 16, optional=True),
        signed("points_minor", 20),
        signed("balance_minor", 20),
        signed("balance_as_of_ms", 15),
        one_of("standing", _STANDINGS),
        _TEXT,
    ),
    later=_SLIP,
)
REPLIES = {"ANSWER": ANSWER, "SHOW": SHOW}
REPLIES_1 = {kind: replace(layout, later=None) for kind, layout in REPLIES.items()}
"""The same as a POS of profile version 1 knows them."""


@dataclass(frozen=True, slots=True)
class Told:
    """An ANSWER as the POS understands it, to its message `number`. `field` names a field at fault.

    `version` is the profile version in which the agent spoke: 1 has no place for a slip.
    """

    number: int
    answer: Answer
    field: str = ""
    version: int = PROFILE_VERSION


@dataclass(frozen=True, slots=True)
class Shown:
    """A SHOW as the POS understands it; `number` is ours, `version` as in `Told`."""

    number: int
    notice: Notice
    version: int = PROFILE_VERSION


def write_answer(number: int, answer: Answer, encoding: str, version: int = PROFILE_VERSION) -> bytes:
    """The ANSWER to message `number`, for a POS of this profile version.

    What does not fit is left out from the end: candidates first, then lines of the slip.
    """
    values = {
        "outcome": answer.outcome,
        "reason": presentable(answer.reason, 40),
        "fact_id": answer.fact_id,
        "points_minor": _figure(answer.points_minor),
        "balance_minor": _figure(answer.balance_minor),
        "balance_as_of_ms": _figure(answer.balance_as_of_ms),
        "standing": _standing(answer.provisional),
        "text": presentable(answer.text, 120),
    }
    rows = [_candidate_values(candidate) for candidate in answer.candidates[: ANSWER.most_rows]]
    slip = _slip_rows(answer.slip, encoding, version)
    while True:
        counted = values | {"candidates": str(len(rows))}
        framed = write(ANSWER, number, counted, rows, encoding, slip)
        if isinstance(framed, bytes):
            return framed
        assert framed.code == "MESSAGE_TOO_LONG", framed
        shortened = rows or slip
        assert shortened, "the fields before the candidates always fit"
        shortened.pop()


def write_refusal(
    refusal: Refusal,
    encoding: str,
    version: int = PROFILE_VERSION,
    *,
    outcome: Outcome = Outcome.REFUSED,
) -> bytes:
    """The ANSWER to a message that this link itself turns down."""
    values = {
        "outcome": outcome,
        "reason": refusal.code,
        "field": refusal.field,
        "standing": _standing(False),
        "text": refusal.remedy,
        "candidates": "0",
    }
    framed = write(ANSWER, refusal.number, values, (), encoding, _slip_rows((), encoding, version))
    assert isinstance(framed, bytes), framed
    return framed


def write_show(number: int, notice: Notice, encoding: str, version: int = PROFILE_VERSION) -> bytes:
    """The SHOW of this notice, numbered on our side, for a POS of this profile version."""
    values = {
        "pos_sale_id": presentable(notice.pos_sale_id, 40),
        "point": presentable(notice.point, 16),
        "points_minor": str(notice.points_minor),
        "balance_minor": str(notice.balance_minor),
        "balance_as_of_ms": str(notice.balance_as_of_ms),
        "standing": _standing(notice.provisional),
        "text": presentable(notice.text, 120),
    }
    framed = write(SHOW, number, values, (), encoding, _slip_rows(notice.slip, encoding, version))
    assert isinstance(framed, bytes), framed
    return framed


def read_reply(
    raw: Sequence[bytes], register: str, encoding: str, version: int = PROFILE_VERSION
) -> Told | Shown | Refusal:
    """What the agent says, as the POS `register` understands it, which is of this profile version."""
    parsed = read(raw, REPLIES_1 if version == 1 else REPLIES, encoding)
    if isinstance(parsed, Refusal):
        return parsed
    return _told(parsed) if parsed.kind == "ANSWER" else _shown(parsed, register)


def _candidate_values(candidate: Candidate) -> dict[str, str]:
    return {
        "fact_id": candidate.fact_id,
        "nozzle": presentable(candidate.nozzle, 16),
        "product": presentable(candidate.product, 24),
        "volume_ml": str(candidate.volume_ml),
        "amount_fen": str(candidate.amount_fen),
        "ended_ago_s": str(min(max(candidate.ended_ago_s, 0), _LONGEST_AGO_S)),
    }


def _slip_rows(slip: Sequence[str], encoding: str, version: int) -> list[dict[str, str]] | None:
    """The lines as rows; None for a POS whose profile has no slip."""
    if version == 1:
        return None
    return [{"line": printable(line, _COLUMNS, encoding)} for line in slip[: _SLIP.most_rows]]


def _read_slip(message: Parsed) -> tuple[str, ...]:
    return tuple(row["line"] for row in message.later_rows or ())


def _version(message: Parsed) -> int:
    return 1 if message.later_rows is None else PROFILE_VERSION


def _told(message: Parsed) -> Told:
    found = message.values
    outcome = Outcome(found["outcome"])
    answer = Answer(
        outcome=outcome,
        durable=outcome in STORED,
        reason=found["reason"],
        fact_id=found["fact_id"],
        points_minor=_read_figure(found["points_minor"]),
        balance_minor=_read_figure(found["balance_minor"]),
        balance_as_of_ms=_read_figure(found["balance_as_of_ms"]),
        provisional=found["standing"] == _standing(True),
        candidates=tuple(
            Candidate(
                row["fact_id"],
                row["nozzle"],
                row["product"],
                int(row["volume_ml"]),
                int(row["amount_fen"]),
                int(row["ended_ago_s"]),
            )
            for row in message.rows
        ),
        text=found["text"],
        slip=_read_slip(message),
    )
    return Told(message.number, answer, found["field"], _version(message))


def _shown(message: Parsed, register: str) -> Shown:
    found = message.values
    notice = Notice(
        register=register,
        pos_sale_id=found["pos_sale_id"],
        point=found["point"],
        points_minor=int(found["points_minor"]),
        balance_minor=int(found["balance_minor"]),
        balance_as_of_ms=int(found["balance_as_of_ms"]),
        provisional=found["standing"] == _standing(True),
        text=found["text"],
        slip=_read_slip(message),
    )
    return Shown(message.number, notice, _version(message))


def _figure(value: int | None) -> str:
    return "" if value is None else str(value)


def _read_figure(words: str) -> int | None:
    return int(words) if words else None


def _standing(provisional: bool) -> str:
    return "provisional" if provisional else "confirmed"
