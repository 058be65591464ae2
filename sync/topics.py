"""Every MQTT topic of the contract, in one place (decisions.md 7).

A station writes under its own name `up/#`, `rpc/#`, `state` and `metrics`; it reads `ack`, `down/#`
and `fs/v1/all/#`. An access list at the broker can say exactly that with one pattern per line.
"""

import re
from dataclasses import dataclass

ROOT = "fs/v1"
EVERYONE = "all"
"""Stands where a station's name stands, for what all stations read; no station may be called so."""

STATION_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
"""A station's name is one topic level: letters, digits, `-` and `_`, at most 32 characters."""

HELLO = "hello"
REDEMPTION_AUTHORISE = "redemption.authorise"
MEMBER_LOOKUP = "member.lookup"
RPC_METHODS = (HELLO, REDEMPTION_AUTHORISE, MEMBER_LOOKUP)

HQ_GROUP = "hq"
HQ_UP = f"{ROOT}/+/up/+"
HQ_RPC = f"{ROOT}/+/rpc/+"
HQ_STATE = f"{ROOT}/+/state"
HQ_UP_SHARED = f"$share/{HQ_GROUP}/{HQ_UP}"
HQ_RPC_SHARED = f"$share/{HQ_GROUP}-rpc/{HQ_RPC}"


def up(station: str, stream: str) -> str:
    return f"{ROOT}/{station}/up/{stream}"


def rpc(station: str, method: str) -> str:
    return f"{ROOT}/{station}/rpc/{method}"


def state(station: str) -> str:
    return f"{ROOT}/{station}/state"


def metrics(station: str) -> str:
    return f"{ROOT}/{station}/metrics"


def ack(station: str) -> str:
    return f"{ROOT}/{station}/ack"


def down_rpc(station: str) -> str:
    """Where HQ answers every question of this station, whatever ResponseTopic the question names."""
    return f"{ROOT}/{station}/down/rpc"


def down_items(station: str) -> str:
    return f"{ROOT}/{station}/down/items"


def down_keys(station: str) -> str:
    """Lists of HQ's keys, each vouched for by the one before it."""
    return f"{ROOT}/{station}/down/keys"


def bundle(programme: str) -> str:
    return f"{ROOT}/{EVERYONE}/bundle/{programme}"


def station_filters(station: str) -> tuple[str, ...]:
    """What a station subscribes to, all at QoS 1."""
    return (ack(station), f"{ROOT}/{station}/down/#", f"{ROOT}/{EVERYONE}/#")


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart: `fs/v1/cn-0001/up/ledger` is ("cn-0001", "up", "ledger")."""

    station: str
    branch: str
    leaf: str


def parse(topic: str) -> Address | None:
    """The parts of a station's topic; None for anything that is not one. `leaf` is "" for `state`."""
    found = re.fullmatch(rf"{ROOT}/({STATION_PATTERN})/([a-z]+)(?:/([a-z0-9_.]+))?", topic)
    if found is None or found[1] == EVERYONE:
        return None
    return Address(station=found[1], branch=found[2], leaf=found[3] or "")
