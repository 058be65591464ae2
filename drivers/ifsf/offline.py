"""The shelf of offline sales: one at a time is shown, the oldest, until it is removed."""

from drivers.ifsf.reading import Record


class OfflineShelf:
    """Believed when two readings agree; removed only straight after a reading that shows what is safe."""

    def __init__(self, *, clears: bool) -> None:
        self._clears = clears
        self._first: Record | None = None
        self._safe: Record | None = None
        self._removable: bytes | None = None
        self._said_gone = False

    def read(self, record: Record) -> bool:
        """A reading of the oldest. True: two agree and nobody knows it yet."""
        if record == self._safe:
            is_kept, self._said_gone = self._said_gone, False
            self._removable = record.place if self._clears and not is_kept else None
            return False
        self._said_gone = False
        agrees, self._first = record == self._first, record
        if agrees:
            self._first = None
        return agrees

    def is_left_there(self, record: Record) -> bool:
        """True for a sale that is safe and stays: it is not ours to remove, or the device said that it was
        removed and shows it again. Those behind it cannot be seen; later it is tried once more."""
        return record == self._safe and self._removable is None

    def keep(self, record: Record) -> None:
        self._safe = record

    def is_removable(self) -> bool:
        return self._removable is not None

    def take_removable(self) -> bytes | None:
        """Its address goes into one removal; only another reading allows the next."""
        place, self._removable = self._removable, None
        return place

    def removed(self) -> None:
        """The device says so."""
        self._said_gone = True

    def forget_readings(self) -> None:
        self._first = self._removable = None
