"""What left the tanks, against what was booked: fuel that no sale explains raises an alarm, never a point.

Over a window the drop of all tanks of a product should be the litres booked for it. What flows just now has
left the tank and is not booked yet, so the difference is only believed after it stayed above the tolerance
for a quarter of an hour, and it is measured from the least that was unexplained before: that is how much
was under way when the window began. A delivery begins a new window, and so do a start of the agent and the
end of a day in which nothing is missing. What left while only the gauge was away is judged; what left while
the agent was away is not, because nobody heard what was sold.

Volumes are compared as they stand in the tank and as they passed a meter, not at a reference temperature.
Behind dispensers that compensate, a degree away from it is a thousandth of a day's sales: for `tolerance_ml`.
"""

from dataclasses import replace

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.told import Told
from agent.store.database import Transaction
from agent.store.tanks import Level, Window
from drivers.events import Answer, Outcome, TankDelivery, TankRead

HEIGHT_INVALID = "HEIGHT_INVALID"
"""Flag of a reading whose probe gives no height: it says nothing."""
MISSING_FOR_MS = 900_000
WINDOW_MS = 86_400_000
UNREAD_MS = 600_000
"""A reading older than this says nothing about now."""

KEPT = Told(Answer(Outcome.DONE, durable=True))


def tank_read(event: TankRead, line: str, tx: Transaction, site: Site, at: Instant) -> Told:
    """Keep how the tank stands, and compare. A tank that no setting names is not looked at."""
    device_key = _device_key(event, line, site)
    place = site.tanks.get((device_key, event.tank))
    if place is None or HEIGHT_INVALID in event.flags:
        return KEPT
    tx.tanks.keep_level(device_key, event.tank, Level(event.volume_ml, event.is_delivering, at.wall_ms))
    _compare(place.product, tx, site, at)
    return KEPT


def tank_delivered(event: TankDelivery, line: str, tx: Transaction, site: Site, at: Instant) -> Told:
    """Keep the delivery, once; the comparison begins anew after it."""
    device_key = _device_key(event, line, site)
    volumes_ml = (event.start_volume_ml, event.end_volume_ml)
    if not tx.tanks.add_delivery(device_key, event.tank, event.raw, *volumes_ml, at.wall_ms):
        return Told(Answer(Outcome.REPEATED, durable=True))
    place = site.tanks.get((device_key, event.tank))
    if place is not None:
        tx.tanks.close_window(place.product)
    return KEPT


def judge(window: Window, now_ml: int, booked_ml: int, tolerance_ml: int, at_ms: int) -> Window:
    """The window after one more look at its tanks: `missing_since_ms` is set while more than the tolerance
    is unexplained, and `missing_ml` is then the least that was."""
    unexplained_ml = window.opened_ml - now_ml - booked_ml
    lowest_ml = min(window.lowest_ml, unexplained_ml)
    missing_ml = unexplained_ml - lowest_ml
    looked = replace(window, judged_at_ms=at_ms, last_ml=now_ml, lowest_ml=lowest_ml)
    if missing_ml <= tolerance_ml:
        return replace(looked, missing_since_ms=None, missing_ml=0)
    if window.missing_since_ms is None:
        return replace(looked, missing_since_ms=at_ms, missing_ml=missing_ml)
    return replace(looked, missing_ml=min(window.missing_ml, missing_ml))


def _compare(product: str, tx: Transaction, site: Site, at: Instant) -> None:
    tanks = {key: place for key, place in site.tanks.items() if place.product == product}
    levels = [level for level in tx.tanks.levels(tanks) if level is not None]
    window = tx.tanks.window(product)
    if len(levels) < len(tanks) or not _are_newer(levels, window, at):
        return
    if any(level.is_delivering for level in levels):
        tx.tanks.close_window(product)
        return
    now_ml = sum(level.volume_ml for level in levels)
    read_at_ms = min(level.read_at_ms for level in levels)
    tolerance_ml = sum(place.tolerance_ml for place in tanks.values())
    anew = _opened(product, now_ml, read_at_ms, at)
    if window is None or _is_over(window, now_ml, tolerance_ml, tx):
        tx.tanks.keep_window(anew)
        return
    booked_ml = tx.tanks.booked_ml(product, window.opened_at_ms, read_at_ms)
    judged = judge(window, now_ml, booked_ml, tolerance_ml, at.wall_ms)
    is_done = _is_done(judged, [place.id for place in tanks.values()], tx, at)
    tx.tanks.keep_window(anew if is_done else judged)


def _is_done(judged: Window, tank_ids: list[str], tx: Transaction, at: Instant) -> bool:
    """True if this window has told all it will: its day is over, or something is missing and is said."""
    if judged.missing_since_ms is None:
        return at.wall_ms - judged.opened_at_ms > WINDOW_MS
    if at.wall_ms - judged.missing_since_ms < MISSING_FOR_MS:
        return False
    subject = " ".join(sorted(tank_ids))
    tx.alarms.count("TANK_DROP_UNEXPLAINED", subject, at.wall_ms, f"{judged.missing_ml} ml")
    return True


def _are_newer(levels: list[Level], window: Window | None, at: Instant) -> bool:
    """True if every tank was read since the last look, and none long ago."""
    since_ms = max(at.wall_ms - UNREAD_MS, -1 if window is None else window.judged_at_ms)
    return all(level.read_at_ms > since_ms for level in levels)


def _is_over(window: Window, now_ml: int, tolerance_ml: int, tx: Transaction) -> bool:
    """After a rise, which is a delivery even where the gauge does not say so, and after a start of the agent:
    nobody heard what was sold before it, and the settings may name other tanks."""
    run = tx.runs.latest()
    has_started = run is not None and run.started_at_ms > window.judged_at_ms
    return has_started or now_ml - window.last_ml > tolerance_ml


def _opened(product: str, now_ml: int, read_at_ms: int, at: Instant) -> Window:
    """From the oldest of its readings on: what was booked before it, that reading shows already."""
    return Window(product, read_at_ms, now_ml, at.wall_ms, now_ml)


def _device_key(event: TankRead | TankDelivery, line: str, site: Site) -> str:
    return site.devices.get((line, event.address), f"{line}:{event.address}")
