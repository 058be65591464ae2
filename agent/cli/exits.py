"""Exit codes of every command, the same everywhere (README.md)."""

from enum import IntEnum


class Exit(IntEnum):
    FINE = 0
    REFUSED = 1
    """Understood and refused, or something is not healthy."""
    USAGE = 2
    DEVICE = 3
    STORE = 4
    HQ = 5
