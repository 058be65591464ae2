"""The station about itself: obeyed commands, its keys, its road to HQ, its pumps and prices."""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.words import Code, Evidence, Id, Mode, PublicKeyText, Sha256
from agent.points.values import Natural, Positive

Down = Annotated[str, Field(max_length=64)]


class Applied(Body):
    """The downward item `seq` was consumed; `verdict` is "" where it took effect, else why not.

    `issued_at_ms` is HQ's word and `at_ms` the station's: their distance is the propagation (S-016, S-054).
    """

    kind: Literal["applied"]
    seq: Positive
    id: Down
    verdict: Code = ""
    issued_at_ms: Wall
    at_ms: Wall
    detail: Annotated[str, Field(max_length=200)] = ""


class DownRefused(Body):
    """Something came down that consumes no number: unsigned, for another station, replayed, torn.

    `seq` and `id` only if a trusted key signed them. `count` of the same since the last one was told.
    """

    kind: Literal["down.refused"]
    code: Code
    seq: Natural = 0
    id: Down = ""
    sha256: Sha256
    count: Positive = 1
    at_ms: Wall


class StationKey(Body):
    """The station's next key. HQ believes it beside the present one until it has signed a first message.

    `proof` is base64 of the new key's signature over `forecourt/station-key/1\\n`, the station, a newline
    and the key's text; the envelope around it is signed by the old one.
    """

    kind: Literal["station.key"]
    key: PublicKeyText
    proof: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]
    command: Word = ""
    at_ms: Wall


class CertificateRequest(Body):
    """A PKCS#10 request (PEM): the private key never left the station. HQ answers by `certificate`."""

    kind: Literal["certificate.request"]
    id: Id
    csr: Annotated[str, Field(max_length=8000, pattern=r"^-----BEGIN CERTIFICATE REQUEST-----\n")]
    expires_at_ms: Wall = 0
    """When the present certificate ends; 0 without one."""
    at_ms: Wall


class DelayReport(Body):
    """The road to HQ was closed: awards of the ledger's rows `first_seq` to `last_seq` came late (S-182).

    `dark_from_ms` is when HQ was last heard before, `dark_until_ms` when it was heard again. `members`
    counts different ones; the members and their awards are in those rows.
    """

    kind: Literal["delay.report"]
    dark_from_ms: Wall
    dark_until_ms: Wall
    first_seq: Natural = 0
    last_seq: Natural = 0
    awards: Natural = 0
    members: Natural = 0
    minor: Natural = 0
    at_ms: Wall


class StationProfile(Body):
    """What this station is: said once, and again when its configuration changes (S-095, S-113).

    Degrees are millionths (north and east positive). `nozzles`: (point, nozzle, product).
    """

    kind: Literal["station.profile"]
    programme: Word
    region: Word = ""
    timezone: Word
    latitude_microdegrees: int = 0
    longitude_microdegrees: int = 0
    nozzles: Annotated[tuple[tuple[Word, Word, Word], ...], Field(max_length=256)] = ()
    agent_version: Word
    at_ms: Wall


class StationMode(Body):
    """The station went into another mode, and why (S-002). `was_ms` is how long the former one lasted."""

    kind: Literal["station.mode"]
    mode: Mode
    code: Code = ""
    was: Mode
    was_ms: Natural
    at_ms: Wall


class NozzleState(Body):
    """What a driver could find at this nozzle from now on (S-095)."""

    kind: Literal["nozzle.state"]
    point: Word
    nozzle: Word
    product: Word = ""
    state: Literal["AVAILABLE", "SILENT", "OUT_OF_PRODUCT", "OUT_OF_ORDER"]
    at_ms: Wall


class PriceUnlisted(Body):
    """A dispenser sold at a price that HQ's table does not have (S-108). `of` is the first such fact."""

    kind: Literal["price.unlisted"]
    of: Positive
    point: Word = ""
    nozzle: Word
    product: Word = ""
    unit_price_milli: Natural
    listed_price_milli: Natural = 0
    table_version: Natural = 0
    at_ms: Wall


class BacktestReport(Body):
    """What a candidate bundle would have done to this station's own past sales (S-152)."""

    kind: Literal["backtest.report"]
    bundle: Word
    version: Positive
    against_version: Positive
    sales: Natural
    more: Natural
    fewer: Natural
    active_minor: Natural
    candidate_minor: Natural
    evidence: Evidence = ()
    at_ms: Wall
