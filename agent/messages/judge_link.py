"""What items about the road tell HQ's own end: what was obeyed, which key is next, what was taken in."""

import base64

from agent.messages import bodies, upkeep
from sync.hq.heard import Adopted, Applied, CertificateAsked, Heard, NextKey, proves
from sync.keys import PublicKey

FOR_ALL = ("bundle",)
"""What has the same bytes at every station under one version; members and coupons are each station's own."""


def heard(item: bodies.Body, station: str) -> Heard | None:
    """What HQ is told to act upon; None if nothing."""
    match item:
        case upkeep.Applied():
            return Applied(item.seq, item.id, item.verdict, item.detail)
        case upkeep.StationKey():
            return NextKey(_key(item.key).raw) if proves_itself(item, station) else None
        case upkeep.CertificateRequest():
            return CertificateAsked(item.id, item.csr.encode())
        case bodies.Adopted():
            return Adopted(item.what, item.name, item.version, item.sha256, item.what in FOR_ALL)
        case _:
            return None


def proves_itself(item: upkeep.StationKey, station: str) -> bool:
    """Whether the announced key has signed its own announcement."""
    key = PublicKey.from_text(item.key)
    return isinstance(key, PublicKey) and proves(station, key, base64.b64decode(item.proof))


def _key(text: str) -> PublicKey:
    key = PublicKey.from_text(text)
    assert isinstance(key, PublicKey)
    return key
