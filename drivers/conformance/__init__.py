"""What every driver promises, and the kit that tries it: seeded, on simulated time, over bad wires.

The promises, each with the code that a broken one is reported under:

- every finished sale is reported at least once and unaltered, and nothing else is: LOST, INVENTED;
- the device is never told "we have it" before `confirm` with a durable answer: RELEASED_TOO_EARLY;
- an answer UNAVAILABLE leads to the same record being reported again (else LOST);
- every request of a POS gets the till's answer to that very request: UNANSWERED, WRONG_ANSWER;
- a dead device is noticed within `Driver.silence_ms` plus `SILENCE_SLACK_MS`: SILENCE_UNNOTICED,
  and so is its return: RETURN_UNNOTICED (`silence_ms` 0: a POS link that may rest; not tried);
- power loss on either side and a pulled plug lose nothing (else LOST, UNANSWERED);
- noise neither raises nor grows memory (MEMORY_GROWS), nor stops the next sale (else LOST);
- the session never asks to be woken in the past for ever: SPINS;
- valid frames are counted under `HEARD`: HEARD_NOT_COUNTED;
- a fuelling carries no flag that is not among `Driver.flags`: FLAG_UNKNOWN;
- an odd record, if it can be read, is reported and let go of like any other: BACKLOG_STAYS, LOST. The agent
  never makes a pump stop.

Who only listens cannot ask again. Its promises are others: it says nothing (SPOKE); what passes by on a clean
wire, once it has found its place, is reported (LOST); and what it could not hear shows as litres: a later
fuelling of that nozzle is reported with its totalizer (GAP_UNSEEN), and the litres are right (GAP_WRONG).

A counter knows neither sale nor money. Its promises: what is reported flowed within one fuelling, in order
and never twice, and its totals and money are right (INVENTED); what nobody watched from rest to rest may be
reported in part or not at all, and shows as litres between two totals; a fuelling that nothing disturbed is
reported whole (LOST).

A tank gauge sells nothing. Its promises: a reading is of a moment at which the tank stood so (INVENTED), the
newest reading is soon how it stands (LOST), every delivery is reported at least once and unaltered (LOST,
INVENTED), and one that is durable is not reported again by the same session (TWICE).

A POS feed tells once and hears nothing. Its promises: what is told on a clean wire to a session that was
there all the while arrives, however often the till says "not now" (LOST); nothing is reported that was not
told (INVENTED), where bytes were harmed only as far as the feed vouches for itself: it has no check value.

A driver takes part by a function `conformance_cases()` in the module that holds its `Driver` record: it
returns named factories of a `PumpCase`, a `CounterCase`, a `TapCase`, a `GaugeCase`, a `FeedCase` or a
`PosCase`. `run` tries one case once on one kind of wire, `soak` makes many sales on a wire that never gets
better, `odd` hands over odd records. A failing run is replayed with
`python -m drivers.conformance DRIVER/CASE WIRE SEED`.

| module | holds |
|---|---|
| `cases.py` | what a driver shows the kit: the six kinds of case |
| `truths.py` | what a device knows to be true, as it is compared with what was reported |
| `till.py` | who answers in place of the station |
| `world.py` | the clockwork: device, session, wires and till on simulated time |
| `judges.py`, `losses.py`, `counters.py` | per kind of case: how to make one more, and what is wrong |
| `trial.py` | `run`: a bad day, calm, silence, noise |
| `endurance.py` | `soak` and `odd` |
"""

from drivers.conformance.cases import (
    Case,
    Cases,
    CounterCase,
    FeedCase,
    GaugeCase,
    OddPumpCase,
    PosCase,
    PumpCase,
    TapCase,
)
from drivers.conformance.command import main
from drivers.conformance.endurance import ODD, SOAK, Endured, odd, soak
from drivers.conformance.trial import Report, run
from drivers.conformance.truths import (
    Delivered,
    Identity,
    Sold,
    Stood,
    as_delivered,
    as_sold,
    as_stood,
    identity_of,
)

__all__ = [
    "ODD",
    "SOAK",
    "Case",
    "Cases",
    "CounterCase",
    "Delivered",
    "Endured",
    "FeedCase",
    "GaugeCase",
    "Identity",
    "OddPumpCase",
    "PosCase",
    "PumpCase",
    "Report",
    "Sold",
    "Stood",
    "TapCase",
    "as_delivered",
    "as_sold",
    "as_stood",
    "identity_of",
    "main",
    "odd",
    "run",
    "soak",
]
