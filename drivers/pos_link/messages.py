"""The messages of the POS link as values, both ways (NOTES.md, "Messages").

`read_request` and `write_answer`, `write_show`, `write_refusal` are our end; `write_request` and
`read_reply` are the POS's end, used by the simulator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drivers.events import (
    Answer,
    BasketLine,
    Candidate,
    CandidateChosen,
    Credential,
    CredentialKind,
    MemberIdentified,
    MemberPresented,
    Notice,
    Outcome,
    PosRequest,
    SalePaid,
    SaleRefunded,
)
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

PROFILE_VERSION = 1
LAST_NUMBER = 999_999
"""Message numbers run 1 to 999999 and start again at 1; 0 stands for "number not readable"."""
STORED = frozenset({Outcome.DONE, Outcome.REPEATED, Outcome.AMBIGUOUS, Outcome.WAITING})
"""Outcomes that tell the POS "we have it": said only of a durable answer."""
_LONGEST_AGO_S = 9_999_999

_KINDS = tuple(CredentialKind)
_SALE = text("pos_sale_id", 40)
_PRODUCT = text("product", 60)
_TEXT = text("text", 120, optional=True)
_STANDINGS = ("confirmed", "provisional")

REQUESTS = {
    layout.kind: layout
    for layout in (
        Layout("HELLO", (text("register", 20), digits("version", 2), text("start", 20))),
        Layout("PRESENT", (text("point", 16), one_of("credential_kind", _KINDS), text("credential", 64))),
        Layout(
            "PAID",
            (
                _SALE,
                text("point", 16, optional=True),
                digits("fuel_amount_fen", 10),
                text("tender", 20),
                one_of("credential_kind", _KINDS, optional=True),
                text("credential", 64, optional=True),
                digits("lines", 2),
            ),
            row=(_PRODUCT, digits("quantity_milli", 9), digits("amount_fen", 10)),
            most_rows=60,
        ),
        Layout("CHOOSE", (_SALE, text("fact_id", 64))),
        Layout("IDENTIFY", (_SALE, one_of("credential_kind", _KINDS), text("credential", 64))),
        Layout("REFUND", (text("refund_id", 40), _SALE, digits("amount_fen", 10))),
    )
}

ANSWER = Layout(
    "ANSWER",
    (
        one_of("outcome", tuple(Outcome)),
        text("reason", 40, optional=True),
        text("field", 40, optional=True),
        text("fact_id", 64, optional=True),
        signed("points_minor", 15, optional=True),
        signed("balance_minor", 15, optional=True),
        signed("balance_as_of_ms", 15, optional=True),
        one_of("standing", _STANDINGS),
        _TEXT,
        digits("candidates", 2),
    ),
    row=(
        text("fact_id", 64),
        text("nozzle", 16, optional=True),
        text("product", 24, optional=True),
        digits("volume_ml", 9),
        digits("amount_fen", 10),
        digits("ended_ago_s", 7),
    ),
    most_rows=8,
)
SHOW = Layout(
    "SHOW",
    (
        text("pos_sale_id", 40, optional=True),
        text("point", 16, optional=True),
        signed("points_minor", 15),
        signed("balance_minor", 15),
        signed("balance_as_of_ms", 15),
        one_of("standing", _STANDINGS),
        _TEXT,
    ),
)
REPLIES = {"ANSWER": ANSWER, "SHOW": SHOW}


@dataclass(frozen=True, slots=True)
class Hello:
    """The POS has started. `start` differs from that of its start before."""

    register: str
    version: int
    start: str


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


@dataclass(frozen=True, slots=True)
class Request:
    """A message of the POS that could be read."""

    number: int
    body: Hello | PosRequest


def read_request(raw: Sequence[bytes], register: str, encoding: str) -> Request | Refusal:
    """What the POS asks, on behalf of `register`."""
    parsed = read(raw, REQUESTS, encoding)
    if isinstance(parsed, Refusal):
        return parsed
    if parsed.number == 0:
        return Refusal("MALFORMED_FIELD", "number")
    body = _READERS[parsed.kind](parsed, register)
    if isinstance(body, Refusal):
        return Refusal(body.code, body.field, parsed.number)
    return Request(parsed.number, body)


def write_request(number: int, body: Hello | PosRequest, encoding: str) -> bytes | Refusal:
    """The frame by which a POS says this."""
    kind, values, rows = _request_values(body)
    return write(REQUESTS[kind], number, values, rows, encoding)


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


def _hello(message: Parsed, register: str) -> Hello | Refusal:
    found = message.values
    if found["register"] != register:
        return Refusal("WRONG_REGISTER", "register")
    if int(found["version"]) != PROFILE_VERSION:
        return Refusal("WRONG_VERSION", "version")
    return Hello(register, PROFILE_VERSION, found["start"])


def _presented(message: Parsed, register: str) -> MemberPresented:
    return MemberPresented(register, message.values["point"], _credential(message.values))


def _paid(message: Parsed, register: str) -> SalePaid | Refusal:
    found = message.values
    if bool(found["credential_kind"]) != bool(found["credential"]):
        return Refusal("FIELD_MISSING", "credential" if found["credential_kind"] else "credential_kind")
    fuel_amount_fen = int(found["fuel_amount_fen"])
    if fuel_amount_fen and not found["point"]:
        return Refusal("FIELD_MISSING", "point")
    return SalePaid(
        register,
        found["pos_sale_id"],
        found["point"] or None,
        fuel_amount_fen,
        found["tender"],
        tuple(
            BasketLine(row["product"], int(row["quantity_milli"]), int(row["amount_fen"]))
            for row in message.rows
        ),
        _credential(found) if found["credential"] else None,
    )


def _chosen(message: Parsed, register: str) -> CandidateChosen:
    return CandidateChosen(register, message.values["pos_sale_id"], message.values["fact_id"])


def _identified(message: Parsed, register: str) -> MemberIdentified:
    return MemberIdentified(register, message.values["pos_sale_id"], _credential(message.values))


def _refunded(message: Parsed, register: str) -> SaleRefunded:
    found = message.values
    return SaleRefunded(register, found["refund_id"], found["pos_sale_id"], int(found["amount_fen"]))


_READERS: Mapping[str, Callable[[Parsed, str], Hello | PosRequest | Refusal]] = {
    "HELLO": _hello,
    "PRESENT": _presented,
    "PAID": _paid,
    "CHOOSE": _chosen,
    "IDENTIFY": _identified,
    "REFUND": _refunded,
}


def _credential(found: Mapping[str, str]) -> Credential:
    return Credential(CredentialKind(found["credential_kind"]), found["credential"])


def _request_values(body: Hello | PosRequest) -> tuple[str, dict[str, str], list[dict[str, str]]]:
    match body:
        case Hello(register, version, start):
            return "HELLO", {"register": register, "version": str(version), "start": start}, []
        case MemberPresented(_, point, credential):
            return "PRESENT", {"point": point} | _credential_values(credential), []
        case SalePaid():
            return _paid_values(body)
        case CandidateChosen(_, pos_sale_id, fact_id):
            return "CHOOSE", {"pos_sale_id": pos_sale_id, "fact_id": fact_id}, []
        case MemberIdentified(_, pos_sale_id, credential):
            return "IDENTIFY", {"pos_sale_id": pos_sale_id} | _credential_values(credential), []
        case SaleRefunded(_, refund_id, pos_sale_id, amount_fen):
            values = {"refund_id": refund_id, "pos_sale_id": pos_sale_id, "amount_fen": str(amount_fen)}
            return "REFUND", values, []


def _paid_values(sale: SalePaid) -> tuple[str, dict[str, str], list[dict[str, str]]]:
    values = {
        "pos_sale_id": sale.pos_sale_id,
        "point": sale.point or "",
        "fuel_amount_fen": str(sale.fuel_amount_fen),
        "tender": sale.tender,
        "lines": str(len(sale.lines)),
    }
    if sale.credential is not None:
        values |= _credential_values(sale.credential)
    rows = [
        {
            "product": line.product,
            "quantity_milli": str(line.quantity_milli),
            "amount_fen": str(line.amount_fen),
        }
        for line in sale.lines
    ]
    return "PAID", values, rows


def _credential_values(credential: Credential) -> dict[str, str]:
    return {"credential_kind": credential.kind, "credential": credential.value}


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
