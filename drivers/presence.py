"""Whether a device is there: its silence and its return, each told once."""

from drivers.events import DeviceBack, DeviceSilent, DriverEvent, Monotonic


class Presence:
    """Of one address, or of all devices behind it: one that is heard is enough."""

    def __init__(self, address: str, silence_ms: int) -> None:
        self._address = address
        self._silence_ms = silence_ms
        self._heard_at: Monotonic | None = None
        self._is_silent: bool | None = None

    def heard(self, now: Monotonic) -> list[DriverEvent]:
        """A valid frame came."""
        was_there = self._is_silent is False
        self._heard_at, self._is_silent = now, False
        return [] if was_there else [DeviceBack(self._address)]

    def unheard_ms(self, now: Monotonic) -> int:
        """How long nothing was heard; 0 before the first call of `check`."""
        return 0 if self._heard_at is None else now - self._heard_at

    def check(self, now: Monotonic) -> list[DriverEvent]:
        """Call at `due`: from the first call on, silence counts."""
        if self._heard_at is None:
            self._heard_at = now
        if self._is_silent or now - self._heard_at < self._silence_ms:
            return []
        self._is_silent = True
        return [DeviceSilent(self._address, now - self._heard_at)]

    def due(self) -> Monotonic | None:
        """When to call `check`; None while it is known to be silent."""
        if self._heard_at is None:
            return Monotonic(0)
        return None if self._is_silent else Monotonic(self._heard_at + self._silence_ms)
