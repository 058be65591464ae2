"""Whether the device is there: told when it falls silent, when it is back, and once at its first answer."""

from drivers.events import DeviceBack, DeviceSilent, Monotonic

SILENCE_MS = 5_000


class Presence:
    """Times of valid answers. Nothing is told twice."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._heard_at: Monotonic | None = None
        self._is_silent: bool | None = None

    def heard(self, now: Monotonic) -> DeviceBack | None:
        """A valid answer came."""
        self._heard_at = now
        if self._is_silent is False:
            return None
        self._is_silent = False
        return DeviceBack(self._address)

    def watch(self, now: Monotonic) -> DeviceSilent | None:
        """Time has passed; the first look begins the wait."""
        if self._heard_at is None:
            self._heard_at = now
        if self._is_silent is True or now - self._heard_at < SILENCE_MS:
            return None
        self._is_silent = True
        return DeviceSilent(self._address, now - self._heard_at)

    def due(self) -> Monotonic | None:
        """When to look next."""
        if self._heard_at is None or self._is_silent is True:
            return None
        return Monotonic(self._heard_at + SILENCE_MS)
