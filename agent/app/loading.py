"""`forecourt load`: a signed document, verified before anything in it is looked at."""

import base64
from collections.abc import Mapping
from functools import partial

from agent.app.parts import Parts
from agent.control import refusal
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adopt_coupons import adopt_coupons
from agent.handlers.adopt_members import adopt_members
from agent.handlers.adopt_rollout import adopt_rollout
from agent.till import Till, TillUnavailable
from sync.refusal import Refusal


def load(request: Mapping[str, object], parts: Parts, till: Till) -> Mapping[str, object]:
    """Take in a rule bundle, its rollout, members or coupons: the DSSE envelope in `document`, as base64."""
    from sync import signing  # its library is heavy, and needed at most a few times a day

    try:
        document = base64.b64decode(str(request.get("document", "")), validate=True)
    except ValueError:
        return refusal("NOT_BASE64", "the document does not arrive whole")
    threshold = parts.settings.hq.threshold
    trusted = partial(signing.open_document, document, trusted=parts.hq_keys, threshold=threshold)
    adopt, payload = adopt_bundle, trusted(signing.BUNDLE_TYPE)
    others = (
        (adopt_members, signing.MEMBERS_TYPE),
        (adopt_rollout, signing.ROLLOUT_TYPE),
        (adopt_coupons, signing.COUPONS_TYPE),
    )
    for adopt_other, payload_type in others:
        if isinstance(payload, Refusal) and payload.reason == "DOCUMENT_TYPE":
            adopt, payload = adopt_other, trusted(payload_type)
    if isinstance(payload, Refusal):
        return refusal(payload.reason, f"{payload.detail}; {payload.remedy}")
    verified, site = payload, parts.site
    try:
        adoption = till.submit(lambda tx, at: adopt(verified, tx, site, at))
    except TillUnavailable as unavailable:
        return refusal(unavailable.reason, "nothing was kept, try again")
    return {"ok": not adoption.reason, "reason": adoption.reason, "text": adoption.text}
