"""Questions for `forecourt device scan`: they read, and move neither a pump nor a read pointer."""

from drivers.companytec import codec, horustech
from drivers.companytec.options import CompanytecOptions
from drivers.driver import Ask


def asks(options: CompanytecOptions) -> tuple[Ask, ...]:
    """First of the protocol that is set, then one question of the other: which one is switched on in a
    Horustech cannot be seen from outside."""
    ours, others = (_CBC, _HORUSTECH) if options.protocol == "cbc" else (_HORUSTECH, _CBC)
    ask_total = codec.long_total if options.protocol == "cbc" else horustech.long_total
    totals = (
        Ask(f"volume totalizer of nozzle {nozzle}", ask_total(nozzle), is_totals=True)
        for nozzle in options.nozzles
    )
    return (*ours, *totals, others[0])


_CBC = (
    Ask("fuellings in progress", codec.FLOW),
    Ask("pointers", codec.POINTERS),
    Ask("state per address", codec.STATES),
    Ask("clock", codec.CLOCK),
)
_HORUSTECH = (
    Ask("fuellings in progress (Horustech)", horustech.FLOW),
    Ask("pointers (Horustech)", horustech.POINTERS),
    Ask("state per nozzle (Horustech)", horustech.STATES),
    Ask("clock (Horustech)", horustech.CLOCK),
)
