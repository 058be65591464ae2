"""The only place that chance comes from. Ids are derived from facts; only jitter is drawn."""

import os
import random

_SEED_BYTES = 16


def jitter_source() -> random.Random:
    """Chance for backoff jitter, different at every station and every start; never for keys or ids.

    Stations that lost headquarters together must not come back in step. Keys are made by the
    cryptography library from the kernel's own source.
    """
    return random.Random(os.urandom(_SEED_BYTES))
