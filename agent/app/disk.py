"""What is given up, and in which order, when the disk fills up; facts come last and are never given up.

level  free disk, in units of `store.min_free_mib`   given up
1      below 4                                       figures and the log's small talk
2      below 2                                       acknowledged rows kept to be sent again; copies of the
                                                     database as it was before a change of its schema
3      below 1                                       redemptions
4      nearly none, or a write was refused           the ballast: 8 MiB that were kept for this moment

A level ends when a quarter more than its limit is free, so that nothing flutters. What is deleted from
the database is not given back to the file system; the database goes on in that room and grows no further.
"""

import logging
import os
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

log = logging.getLogger("forecourt.disk")
_ROOT = logging.getLogger("forecourt")

BALLAST, BALLAST_MIB = "station.ballast", 8
_LAST_MIB = 2
"""Free space at which the ballast goes, before SQLite is refused a write: a busy second takes less."""
_MIB = 1 << 20


class Level(IntEnum):
    FINE = 0
    NO_FIGURES = 1
    NO_SPARES = 2
    NO_REDEMPTIONS = 3
    NO_BALLAST = 4


_LIMITS = {Level.NO_FIGURES: 4, Level.NO_SPARES: 2, Level.NO_REDEMPTIONS: 1}


class Disk:
    """The state directory's disk. `free_mib()` says how much of it is free; `look` once a second.

    `database` is the file whose older copies are given up. Any thread may read the properties.
    """

    def __init__(self, database: Path, min_free_mib: int, free_mib: Callable[[], int]) -> None:
        self._database = database
        self._ballast = database.with_name(BALLAST)
        self._min_free_mib = min_free_mib
        self._free_mib = free_mib
        self._was_refused = False
        self.level = Level.FINE

    def reserve(self) -> None:
        """Write the ballast, in whole and not as a hole, if there is room for it and for twice the limit."""
        room_mib = BALLAST_MIB + 2 * self._min_free_mib
        if self._was_refused or self._ballast.exists() or self._free_mib() < room_mib:
            return
        unfinished = self._ballast.with_suffix(".new")
        try:
            with unfinished.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BALLAST_MIB * _MIB)
            unfinished.rename(self._ballast)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            log.warning("NO_BALLAST", extra={"error": error.strerror})

    def look(self) -> Level | None:
        """The new level if it is another than before. What lies beside the database is given up at once."""
        free_mib, before = self._free_mib(), self.level
        self.level = self._judge(free_mib)
        if self.level == before:
            return None
        _ROOT.setLevel(logging.NOTSET if self.sends_figures else logging.WARNING)
        if not self.keeps_spares:
            self._drop_copies()
        if self.level == Level.NO_BALLAST:
            self._release()
        elif self.level == Level.FINE:
            self.reserve()
        log.warning("DISK_LEVEL", extra={"level": self.level.name, "free_mib": free_mib})
        return self.level

    def refused(self) -> None:
        """A write found no room, whatever the file system says of free space: it has a quota, or lies."""
        self._was_refused = True
        self._release()

    @property
    def has_ballast(self) -> bool:
        return self._ballast.exists()

    @property
    def refuses_redemptions(self) -> bool:
        return self.level >= Level.NO_REDEMPTIONS

    @property
    def keeps_spares(self) -> bool:
        """Whether rows that HQ has stay here as long as the settings say."""
        return self.level < Level.NO_SPARES

    @property
    def sends_figures(self) -> bool:
        return self.level < Level.NO_FIGURES

    def _judge(self, free_mib: int) -> Level:
        if free_mib < _LAST_MIB:
            return Level.NO_BALLAST
        for level in (Level.NO_REDEMPTIONS, Level.NO_SPARES, Level.NO_FIGURES):
            limit_mib = _LIMITS[level] * self._min_free_mib
            if free_mib < limit_mib or (self.level >= level and 4 * free_mib < 5 * limit_mib):
                return level
        return Level.FINE

    def _release(self) -> None:
        if self._ballast.exists():
            self._ballast.unlink()
            log.critical("BALLAST_RELEASED")

    def _drop_copies(self) -> None:
        for copy in self._database.parent.glob(f"{self._database.name}.before-*"):
            copy.unlink(missing_ok=True)
            log.warning("COPY_DROPPED", extra={"file": copy.name})


def free_mib(directory: Path) -> int:
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize // _MIB
