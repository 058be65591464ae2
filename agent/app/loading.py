"""`forecourt load`: a signed document, verified before anything in it is looked at."""

import base64
from collections.abc import Mapping

from agent.app.trusted import TrustedKeys
from agent.control import refusal
from agent.handlers.adopt_document import ADOPTERS, adopt_document
from agent.handlers.site import Site
from agent.till import Till, TillUnavailable
from sync.refusal import Refusal
from sync.signing import KEYS_TYPE


def load(request: Mapping[str, object], site: Site, till: Till, keys: TrustedKeys) -> Mapping[str, object]:
    """Take in rules, rollout, members, coupons or HQ's keys: the DSSE envelope in `document`, as base64."""
    try:
        document = base64.b64decode(str(request.get("document", "")), validate=True)
    except ValueError:
        return refusal("NOT_BASE64", "the document does not arrive whole")
    try:
        return _take(document, site, till, keys)
    except TillUnavailable as unavailable:
        return refusal(unavailable.reason, "nothing was kept, try again")


def _take(document: bytes, site: Site, till: Till, keys: TrustedKeys) -> Mapping[str, object]:
    signed = keys.open_document(document, (*ADOPTERS, KEYS_TYPE))
    if isinstance(signed, Refusal):
        return refusal(signed.reason, f"{signed.detail}; {signed.remedy}")
    if signed.payload_type == KEYS_TYPE:
        refused = keys.take(document, till)
        if refused is None or refused.reason == "KEYS_REPEATED":
            return {
                "ok": True,
                "reason": "",
                "text": f"headquarters' keys of version {keys.now.version} count",
            }
        return refusal(refused.reason, f"{refused.detail}; {refused.remedy}")
    adoption = till.submit(lambda tx, at: adopt_document(signed, tx, site, at))
    return {"ok": not adoption.reason, "reason": adoption.reason, "text": adoption.text}
