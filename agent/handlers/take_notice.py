"""What HQ has the station say: maintenance, price policy; to staff in `status`, to customers on the slip."""

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.slip import fits
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import NoticeToStation
from agent.store.database import Transaction
from agent.store.station_notices import StationNotice
from sync.down import Down


def take_notice(body: NoticeToStation, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons: NOTICE_OLD, NOTICE_TOO_LONG (for a slip, see `slip.fits`)."""
    here = tx.station_notices.version(body.notice)
    if body.version <= here:
        return Verdict("NOTICE_OLD", f"version {here} is here")
    if body.audience == "customers":
        for language, text in (("zh", body.zh), ("en", body.en)):
            if text and not fits(text, language):
                return Verdict("NOTICE_TOO_LONG", f"a slip cannot show its text in {language}")
    tx.station_notices.keep(
        StationNotice(
            notice_id=body.notice,
            version=body.version,
            audience=body.audience,
            from_ms=body.from_ms,
            until_ms=body.until_ms,
            zh=body.zh,
            en=body.en,
        )
    )
    return DONE
