"""On which days a lot may lapse: the term's end, moved by pauses, or by grace where points came back."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.points.inputs import Local
from agent.points.rules import Bundle
from agent.points.validity import with_pauses
from agent.store.bundles import StoredBundle


class LastDays:
    """By everything that any bundle here says; which region this station lies in is not in its database."""

    def __init__(self, bundles: Mapping[int, tuple[StoredBundle, Bundle]]) -> None:
        self._bundles = [bundle for _, bundle in bundles.values()]
        self._pauses = set(_pauses(self._bundles))
        self._graces = {bundle.expiry.refund_grace_days for bundle in self._bundles if bundle.expiry}

    def of(self, earned_on: str, term_ends_on: str, returned_at_ms: int | None) -> set[str]:
        """The days on which a lot with this term may end; `returned_at_ms`: when points came back to it."""
        return self._moved(earned_on, term_ends_on) | self._after_grace(returned_at_ms)

    def _moved(self, earned_on: str, term_ends_on: str) -> set[str]:
        if not term_ends_on or not self._pauses:
            return {term_ends_on}
        try:
            term = date.fromisoformat(earned_on), date.fromisoformat(term_ends_on)
        except ValueError:
            return {term_ends_on}
        moved = (with_pauses(*term, pauses) for pauses in self._pauses)
        return {term_ends_on, *(day.isoformat() if day else "" for day in moved)}

    def _after_grace(self, returned_at_ms: int | None) -> set[str]:
        if returned_at_ms is None:
            return set()
        days = {local.day for bundle in self._bundles if (local := local_time(returned_at_ms, bundle))}
        return {(day + timedelta(days=grace)).isoformat() for day in days for grace in self._graces}


def local_time(at_ms: int, bundle: Bundle) -> Local | None:
    """The time in the programme's zone; None where there is no such time or zone."""
    try:
        civil = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(ZoneInfo(bundle.timezone))
        return Local.at(civil, bundle.business_day_starts_minute)
    except (ValueError, KeyError, OverflowError, OSError):
        return None


def _pauses(bundles: list[Bundle]) -> Iterator[tuple[tuple[date, date], ...]]:
    """The pauses of each region in each bundle."""
    for bundle in bundles:
        pauses = bundle.expiry.pause if bundle.expiry else ()
        for region in {region for pause in pauses for region in pause.region}:
            yield tuple((p.from_date, p.until) for p in pauses if region in p.region)
