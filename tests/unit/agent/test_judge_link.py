"""Unit: what does HQ's judge tell HQ's own end of items about the road, and whom does it believe?"""

import base64

import pytest

from agent.handlers.rotate_key import proof_text
from agent.messages import bodies, upkeep
from agent.messages.judge import judge_with
from sync.hq.heard import Adopted, Applied, CertificateAsked, NextKey
from sync.hq.judging import MALFORMED, OK, Booked, ItemContext
from sync.keys import SigningKey

JUDGE = judge_with({})
NEW = SigningKey(b"N" * 32)


def judged(item: bodies.Body, station: str = "cn-0001") -> Booked:
    context = ItemContext(station, 1, "urgent", 1, lambda stream, seq: None)
    return JUDGE(context, item.kind, item.encoded())


def announcement(signed_by: SigningKey = NEW, of: str = "cn-0001") -> upkeep.StationKey:
    proof = base64.b64encode(signed_by.sign(proof_text(of, NEW.public.text))).decode()
    return upkeep.StationKey(kind="station.key", key=NEW.public.text, proof=proof, at_ms=1)


def test_a_key_that_proves_itself_is_the_next_one() -> None:
    booked = judged(announcement())
    assert (booked.verdict, booked.heard) == (OK, NextKey(NEW.public.raw))


@pytest.mark.parametrize("item", [announcement(signed_by=SigningKey(b"O" * 32)), announcement(of="cn-0002")])
def test_a_key_that_nobody_proves_to_hold_here_changes_nothing(item: upkeep.StationKey) -> None:
    booked = judged(item)
    assert (booked.verdict, booked.heard) == (MALFORMED, None)


def test_what_was_obeyed_is_told() -> None:
    item = upkeep.Applied(
        kind="applied", seq=7, id="case-7", verdict="DOWN_EXPIRED", issued_at_ms=1, at_ms=2, detail="late"
    )
    assert judged(item).heard == Applied(7, "case-7", "DOWN_EXPIRED", "late")


@pytest.mark.parametrize(("what", "for_all"), [("bundle", True), ("members", False), ("coupons", False)])
def test_rules_are_the_same_everywhere_and_members_each_stations_own(what: str, for_all: bool) -> None:
    said = {"kind": "adopted", "what": what, "name": "x", "version": 3, "sha256": "a" * 64, "at_ms": 1}
    assert judged(bodies.Adopted.model_validate(said)).heard == Adopted(what, "x", 3, "a" * 64, for_all)


def test_a_question_for_a_certificate_is_handed_on() -> None:
    csr = "-----BEGIN CERTIFICATE REQUEST-----\nx"
    item = upkeep.CertificateRequest(kind="certificate.request", id="q1", csr=csr, at_ms=1)
    assert judged(item).heard == CertificateAsked("q1", csr.encode())
