"""A judge and items for tests of accounts: awards that may wait, captures, statements, of many members."""

import json

from sync.hq.judging import MALFORMED, OK, Booked, ItemContext
from sync.hq.points import Settled, Stated, Waits


def judge(context: ItemContext, kind: str, body: bytes) -> Booked:
    """The item says all by itself."""
    item = json.loads(body)
    match kind:
        case "award":
            change = Waits(item["id"], item["waits"]) if item["waits"] else None
            return Booked(item["id"], item["member"], item["minor"], OK, change=change)
        case "lot.activated":
            return Booked(item["id"], item["member"], 0, OK, change=Waits(item["id"], 0))
        case "refund":
            return Booked(item["id"], item["member"], -item["minor"], OK)
        case "redemption.captured" | "redemption.released":
            minor = -item["minor"] if kind.endswith("captured") else 0
            settled = Settled(item["id"], kind.partition(".")[2])
            return Booked(item["id"], item["member"], minor, OK, change=settled)
        case "grant.statement":
            said = Stated(item["grant"], item["epoch"], item["number"], item["spent"], item["closing"])
            return Booked(
                f"{item['grant']}/{item['epoch']}/{item['number']}", item["member"], 0, OK, change=said
            )
        case _:
            return Booked(None, None, 0, MALFORMED)


def award(name: str, member: str, minor: int, *, waits: int = 0) -> bytes:
    return _item("award", id=name, member=member, minor=minor, waits=waits)


def activated(name: str, member: str) -> bytes:
    return _item("lot.activated", id=name, member=member)


def refund(name: str, member: str, minor: int) -> bytes:
    return _item("refund", id=name, member=member, minor=minor)


def captured(redemption: str, member: str, minor: int) -> bytes:
    return _item("redemption.captured", id=redemption, member=member, minor=minor)


def released(redemption: str, member: str) -> bytes:
    return _item("redemption.released", id=redemption, member=member)


def statement(
    grant: str, epoch: int, member: str, *, number: int, spent: int, closing: bool = False
) -> bytes:
    return _item(
        "grant.statement",
        grant=grant,
        epoch=epoch,
        member=member,
        number=number,
        spent=spent,
        closing=closing,
    )


def _item(kind: str, **content: object) -> bytes:
    return json.dumps({"kind": kind, **content}).encode()
