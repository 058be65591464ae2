"""What the stations of the load have to say: signed and chained before the clock starts.

Every station has a name, a key, customers and facts of its own; the sales are the same everywhere, so
they are made once. One customer in ten also fuels elsewhere.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sync import topics
from sync.envelope import GENESIS, Header, encode_head, next_head, seal
from sync.keys import SigningKey
from sync.outbox import LEDGER
from tests.bench.sales import items

ITEMS_PER_SALE = 2
_TRAVELLERS = 20_000
_TRAVELS_EVERY = 10


@dataclass(frozen=True, slots=True)
class Sealed:
    """One envelope; when HQ's ack names `last_seq` and `head`, its sales are there."""

    payload: bytes
    last_seq: int
    head: str
    sales: int


@dataclass(frozen=True, slots=True)
class Supply:
    station: str
    key: SigningKey
    sealed: Sequence[Sealed]

    @property
    def topic(self) -> str:
        return topics.up(self.station, LEDGER)


@dataclass(frozen=True, slots=True)
class _Words:
    """One of the sales that all stations make, and what must not be the same from station to station."""

    fact: str
    member: str
    bodies: tuple[bytes, bytes]


def supplies(prefix: str, stations: int, envelopes: int, sales_each: int) -> list[Supply]:
    """So many envelopes for each station, each with so many sales."""
    words = list(_words(envelopes * sales_each))
    names = [f"{prefix}-{number:04d}" for number in range(1, stations + 1)]
    return [_supply(name, words, sales_each) for name in names]


def _words(sales: int) -> Iterator[_Words]:
    made = items(sales)
    while pair := tuple(islice(made, ITEMS_PER_SALE)):
        fact, award = pair
        yield _Words(json.loads(fact)["id"], json.loads(award)["member"], (fact, award))


def _supply(station: str, words: Sequence[_Words], sales_each: int) -> Supply:
    key = SigningKey(hashlib.sha256(station.encode()).digest())
    sealed, seq, head = [], 1, GENESIS
    for first in range(0, len(words), sales_each):
        bodies = [body for one in words[first : first + sales_each] for body in _said_by(station, first, one)]
        said = {"station": station, "epoch": 1, "stream": LEDGER, "first_seq": seq, "count": len(bodies)}
        header = Header.model_validate(said | {"head_before": encode_head(head)})
        for body in bodies:
            head = next_head(head, body)
        seq += len(bodies)
        sealed.append(Sealed(seal(header, bodies, key.sign), seq - 1, encode_head(head), sales_each))
    return Supply(station, key, sealed)


def _said_by(station: str, place: int, words: _Words) -> tuple[bytes, bytes]:
    fact, award = words.bodies
    drawn = hashlib.sha256(f"{station} {place} {words.fact}".encode()).digest()
    travels = drawn[-1] % _TRAVELS_EVERY == 0
    whose = f"{int.from_bytes(drawn[16:20]) % _TRAVELLERS}" if travels else f"{station} {words.member}"
    member = hashlib.sha256(whose.encode()).digest()[:9]
    return (
        fact.replace(words.fact.encode(), _letters(drawn[:16])),
        award.replace(words.member.encode(), _letters(member)),
    )


def _letters(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
