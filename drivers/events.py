"""The words that cross between a device's session and the till: values only, no behaviour.

Units are last in every name. `Monotonic` is milliseconds of a clock that never steps; wall time
is added outside, because a driver reports only what the hardware said.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

Monotonic = NewType("Monotonic", int)
"""Milliseconds of a clock that never steps. Never stored, never sent."""


class HandOver(StrEnum):
    """What a device does with a finished sale; decides what its identity is made of."""

    BUFFERED = "A"
    """Kept and numbered by the device until it is told that we have it."""
    LAST_SALE = "B"
    """Readable until the next sale overwrites it, unnumbered: the totalizer identifies it."""
    COUNTER = "C"
    """Only a counter that grows."""


class CredentialKind(StrEnum):
    CARD = "card"
    PHONE_CODE = "phone_code"
    PLATE = "plate"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a member showed, raw. It is hashed in the handler's first line and never stored or logged."""

    kind: CredentialKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """The device's own clock as it gave it: local time, often without year or seconds."""

    year: int | None
    month: int
    day: int
    hour: int
    minute: int
    second: int | None = None


@dataclass(frozen=True, slots=True)
class RawDigits:
    """The digits as the device sent them, unscaled: a fact's id is made of these, never of scaled values."""

    volume: str
    amount: str
    unit_price: str
    totalizer_after: str


@dataclass(frozen=True, slots=True)
class Fuelling:
    """A fuelling that finished with volume > 0, as the device reported it.

    `sequence_no` is the device's own number (it wraps); None for hand-over B and C.
    `volume_step_ml` and `amount_step_fen` are the smallest steps this device counts in: they make
    the tolerance of the arithmetic check. `totalizer_step_ml` is the smallest step of its totalizer: with
    the volume's it makes the tolerance of what the totalizer moved. `totalizer_modulus_ml` is where the
    totalizer wraps to 0.
    `ended` is set only if this session watched the fuelling end; a record read later has None.
    `flags` are oddities that the driver saw ("MEMORY_STATUS"); an odd record is reported all the same.
    """

    address: str
    nozzle: str
    hand_over: HandOver
    sequence_no: int | None
    raw: RawDigits
    volume_ml: int
    amount_fen: int
    unit_price_milli: int
    volume_step_ml: int
    amount_step_fen: int
    totalizer_after_ml: int | None
    totalizer_before_ml: int | None = None
    totalizer_modulus_ml: int | None = None
    totalizer_step_ml: int = 10
    device_time: DeviceTime | None = None
    duration_s: int | None = None
    ended: Monotonic | None = None
    credential: Credential | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FuellingStarted:
    """A nozzle was lifted or fuel began to flow: a presentation at this point now belongs to it."""

    address: str
    nozzle: str


@dataclass(frozen=True, slots=True)
class CredentialShown:
    """A member held a card to a dispenser's reader without a sale. The reader serves one side, and so one
    or several `nozzles`. `shown` is set only if this session knows that it happened just now: a card that
    waited in the device's list says nothing about the next vehicle."""

    address: str
    nozzles: tuple[str, ...]
    credential: Credential
    shown: Monotonic | None = None


@dataclass(frozen=True, slots=True)
class DeviceSilent:
    """The device has not given a valid answer for the time that its driver states."""

    address: str
    silent_ms: int


@dataclass(frozen=True, slots=True)
class DeviceBack:
    """The device answers again (also sent for its first answer)."""

    address: str


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One shop line of a POS sale. `quantity_milli` is thousandths of the piece, negative never."""

    product: str
    quantity_milli: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class MemberPresented:
    """A member showed a credential to the POS for a fuelling point, before or while fuelling."""

    register: str
    point: str
    credential: Credential


@dataclass(frozen=True, slots=True)
class SalePaid:
    """The POS has taken the money. `fuel_amount_fen` is the fuel part (0: shop only, whatever `point`)."""

    register: str
    pos_sale_id: str
    point: str | None
    fuel_amount_fen: int
    tender: str
    lines: tuple[BasketLine, ...] = ()
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class CandidateChosen:
    """The cashier chose which fuelling (`fact_id`, from `Answer.candidates`) a POS sale paid for."""

    register: str
    pos_sale_id: str
    fact_id: str


@dataclass(frozen=True, slots=True)
class MemberIdentified:
    """A member identified after payment: for a POS sale of this register."""

    register: str
    pos_sale_id: str
    credential: Credential


@dataclass(frozen=True, slots=True)
class SaleRefunded:
    """The POS gave money back. `refund_id` is the POS's own id of this refund; repeats are harmless."""

    register: str
    refund_id: str
    pos_sale_id: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class TankRead:
    """How a tank stood when its gauge was asked. A later one takes its place: one may be lost.

    `raw_volume` are the volume's digits as sent. None: the gauge said nothing, or no number. `um` is a
    thousandth of a millimetre, `mc` a thousandth of a degree Celsius. `alarms` are the gauge's own alarms of
    this tank that are active now. A reading with flags ("HEIGHT_INVALID") is no measure.
    """

    address: str
    tank: str
    product: str
    raw_volume: str
    volume_ml: int
    tc_volume_ml: int | None = None
    ullage_ml: int | None = None
    height_um: int | None = None
    water_um: int | None = None
    temperature_mc: int | None = None
    is_delivering: bool = False
    device_time: DeviceTime | None = None
    alarms: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TankDelivery:
    """Fuel that was filled into a tank, as its gauge recorded it. With `address` and `tank`, `raw` (all its
    digits as sent) is its identity: the same record read again is the same delivery."""

    address: str
    tank: str
    product: str
    raw: str
    began_at: DeviceTime | None
    over_at: DeviceTime | None
    start_volume_ml: int | None
    end_volume_ml: int | None
    start_height_um: int | None = None
    end_height_um: int | None = None
    flags: tuple[str, ...] = ()


PosRequest = MemberPresented | SalePaid | CandidateChosen | MemberIdentified | SaleRefunded
TankReport = TankRead | TankDelivery
DriverEvent = (
    Fuelling | FuellingStarted | CredentialShown | DeviceSilent | DeviceBack | TankReport | PosRequest
)


class Outcome(StrEnum):
    """What became of an event that was reported; `REFUSED` and `UNAVAILABLE` carry a reason code."""

    DONE = "done"
    REPEATED = "repeated"
    """Heard before: the same answer as the first time."""
    AMBIGUOUS = "ambiguous"
    """Several fuellings or members fit: `candidates` lists them, a person must choose."""
    WAITING = "waiting"
    """No fuelling fits yet; it is tried again by itself."""
    REFUSED = "refused"
    """Understood, and will never be done; the remedy is in the text."""
    UNAVAILABLE = "unavailable"
    """Not now (disk full, till stopped): nothing was kept, ask again."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fuelling that could belong to a POS sale. `fact_id` goes back in `CandidateChosen`."""

    fact_id: str
    nozzle: str
    product: str
    volume_ml: int
    amount_fen: int
    ended_ago_s: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The till's answer. A device may be told "we have it" only when `durable` is True.

    Points and balance are minor units of the programme; None when there is nothing to say.
    `text` is one sentence for a cashier or customer in the station's language. `slip` is what the
    customer's slip shows, line by line, each at most 32 columns wide (58 mm paper).
    """

    outcome: Outcome
    durable: bool
    reason: str = ""
    fact_id: str = ""
    points_minor: int | None = None
    balance_minor: int | None = None
    balance_as_of_ms: int | None = None
    provisional: bool = False
    candidates: tuple[Candidate, ...] = ()
    text: str = ""
    slip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to show without having been asked: a waiting sale was bound, points are in. May be lost.

    `slip` as in `Answer`.
    """

    register: str
    pos_sale_id: str
    point: str
    points_minor: int
    balance_minor: int
    balance_as_of_ms: int
    provisional: bool
    text: str
    slip: tuple[str, ...] = ()
