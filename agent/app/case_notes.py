"""`forecourt case note`: what staff write on a case, through the till."""

from collections.abc import Mapping

from agent.control import refusal
from agent.handlers.cases import note_case
from agent.till import Till, TillUnavailable


def note(request: Mapping[str, object], till: Till) -> Mapping[str, object]:
    """Keep `note` of `author` on `case`, all texts; answers with its number."""
    case_id, author, text = (str(request.get(name, "")) for name in ("case", "author", "note"))
    try:
        noted = till.submit(lambda tx, at: note_case(case_id, author, text, tx, at))
    except TillUnavailable as unavailable:
        return refusal(unavailable.reason, "nothing was kept, try again")
    if noted.reason:
        return refusal(noted.reason, noted.text)
    return {"ok": True, "reason": "", "note_no": noted.note_no}
