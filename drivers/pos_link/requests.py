"""What the POS asks: messages as values, both ways (NOTES.md, "Messages").

`read_request` is our end, `write_request` the POS's, used by the simulator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drivers.events import (
    BasketLine,
    CandidateChosen,
    Credential,
    CredentialKind,
    MemberIdentified,
    MemberPresented,
    PosRequest,
    SalePaid,
    SaleRefunded,
)
from drivers.pos_link.fields import VERSIONS, Layout, Parsed, Refusal, digits, one_of, read, text, write

_KINDS = tuple(CredentialKind)
_SALE = text("pos_sale_id", 40)

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
            row=(text("product", 60), digits("quantity_milli", 9), digits("amount_fen", 10)),
            most_rows=60,
        ),
        Layout("CHOOSE", (_SALE, text("fact_id", 64))),
        Layout("IDENTIFY", (_SALE, one_of("credential_kind", _KINDS), text("credential", 64))),
        Layout("REFUND", (text("refund_id", 40), _SALE, digits("amount_fen", 10))),
    )
}


@dataclass(frozen=True, slots=True)
class Hello:
    """The POS has started, or asks for its profile version again.

    `start` differs from that of its start before.
    """

    register: str
    version: int
    start: str


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


def _hello(message: Parsed, register: str) -> Hello | Refusal:
    found = message.values
    if found["register"] != register:
        return Refusal("WRONG_REGISTER", "register")
    version = int(found["version"])
    if version not in VERSIONS:
        return Refusal("WRONG_VERSION", "version")
    return Hello(register, version, found["start"])


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
