"""The only place that chance comes from. Ids are derived from facts; only jitter is drawn."""

import os
import random
from pathlib import Path

_SEED_BYTES = 16
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def jitter_source() -> random.Random:
    """Chance for backoff jitter, different at every station and every start; never for keys or ids.

    Stations that lost headquarters together must not come back in step. Keys are made by the
    cryptography library from the kernel's own source.
    """
    return random.Random(os.urandom(_SEED_BYTES))


def boot_id() -> str:
    """Which start of this machine it is, as Linux says (proc(5), random/boot_id); "" where it does not."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
