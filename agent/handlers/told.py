"""What a verb gives back: the answer for who asked, and notices for who did not ask."""

from dataclasses import dataclass

from agent.handlers.site import Site
from agent.handlers.wording import said
from drivers.events import Answer, Notice, Outcome


@dataclass(frozen=True, slots=True)
class Seen:
    """When the line heard an event, in wall time; `ended_at_ms` if the end of the fuelling was watched."""

    seen_at_ms: int
    ended_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    answer: Answer
    notices: tuple[Notice, ...] = ()


def refused(site: Site, reason: str, **values: str) -> Told:
    """Understood and refused for good. Durable: the device need not ask again."""
    text = said(site, reason, **values)
    return Told(Answer(Outcome.REFUSED, durable=True, reason=reason, text=text))
