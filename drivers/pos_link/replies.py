"""What the agent says: ANSWER and SHOW as values, both ways (NOTES.md, "Messages").

`write_answer`, `write_refusal` and `write_show` are our end, `read_reply` the POS's, used by the simulator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.events import Answer, Candidate, Notice, Outcome
from drivers.pos_link.fields import (
    Layout,
    Parsed,
    Refusal,
    digits,
    one_of,
    presentable,
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
)
REPLIES = {"ANSWER": ANSWER, "SHOW": SHOW}


@dataclass(frozen=True, slots=True)
class Told:
    """An ANSWER as the POS understands it, to its message `number`. `field` names a field at fault."""

    number: int
    answer: Answer
    field: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A SHOW as the POS understands it; `number` is ours."""

    number: int
    notice: Notice


def write_answer(number: int, answer: Answer, encoding: str) -> bytes:
    """The ANSWER to message `number`. Candidates that do not fit are left out from the end."""
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
    while True:
        framed = write(ANSWER, number, values | {"candidates": str(len(rows))}, rows, encoding)
        if isinstance(framed, bytes):
            return framed
        assert framed.code == "MESSAGE_TOO_LONG", framed
        assert rows, "the fields before the candidates always fit"
        rows.pop()


def write_refusal(refusal: Refusal, encoding: str, *, outcome: Outcome = Outcome.REFUSED) -> bytes:
    """The ANSWER to a message that this link itself turns down."""
    values = {
        "outcome": outcome,
        "reason": refusal.code,
        "field": refusal.field,
        "standing": _standing(False),
        "text": refusal.remedy,
        "candidates": "0",
    }
    framed = write(ANSWER, refusal.number, values, (), encoding)
    assert isinstance(framed, bytes), framed
    return framed


def write_show(number: int, notice: Notice, encoding: str) -> bytes:
    """The SHOW of this notice, numbered on our side."""
    values = {
        "pos_sale_id": presentable(notice.pos_sale_id, 40),
        "point": presentable(notice.point, 16),
        "points_minor": str(notice.points_minor),
        "balance_minor": str(notice.balance_minor),
        "balance_as_of_ms": str(notice.balance_as_of_ms),
        "standing": _standing(notice.provisional),
        "text": presentable(notice.text, 120),
    }
    framed = write(SHOW, number, values, (), encoding)
    assert isinstance(framed, bytes), framed
    return framed


def read_reply(raw: Sequence[bytes], register: str, encoding: str) -> Told | Shown | Refusal:
    """What the agent says, as the POS `register` understands it."""
    parsed = read(raw, REPLIES, encoding)
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
    )
    return Told(message.number, answer, found["field"])


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
    )
    return Shown(message.number, notice)


def _figure(value: int | None) -> str:
    return "" if value is None else str(value)


def _read_figure(words: str) -> int | None:
    return int(words) if words else None


def _standing(provisional: bool) -> str:
    return "provisional" if provisional else "confirmed"
