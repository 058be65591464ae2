"""`forecourt load`: a signed document, verified before anything in it is looked at."""

import base64
from collections.abc import Mapping
from functools import partial

from agent.app.parts import Parts
from agent.control import refusal
from agent.handlers.adopt import adopt_bundle, adopt_members
from agent.till import Till, TillUnavailable
from sync.refusal import Refusal


def load(request: Mapping[str, object], parts: Parts, till: Till) -> Mapping[str, object]:
    """Take in a rule bundle or a member snapshot; `request["document"]` is its DSSE envelope in base64."""
    from sync import signing  # its library is heavy, and needed at most a few times a day

    try:
        document = base64.b64decode(str(request.get("document", "")), validate=True)
    except ValueError:
        return refusal("NOT_BASE64", "the document does not arrive whole")
    threshold = parts.settings.hq.threshold
    trusted = partial(signing.open_document, document, trusted=parts.hq_keys, threshold=threshold)
    adopt, payload = adopt_bundle, trusted(signing.BUNDLE_TYPE)
    if isinstance(payload, Refusal) and payload.reason == "DOCUMENT_TYPE":
        adopt, payload = adopt_members, trusted(signing.MEMBERS_TYPE)
    if isinstance(payload, Refusal):
        return refusal(payload.reason, f"{payload.detail}; {payload.remedy}")
    verified, site = payload, parts.site
    try:
        adoption = till.submit(lambda tx, at: adopt(verified, tx, site, at))
    except TillUnavailable as unavailable:
        return refusal(unavailable.reason, "nothing was kept, try again")
    return {"ok": not adoption.reason, "reason": adoption.reason, "text": adoption.text}
