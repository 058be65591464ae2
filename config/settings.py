"""The settings of one station, as plain frozen values: integers, units last in names.

The keys of station.toml are exactly these field names. Nothing here reads a file or the
environment: `config/load.py` does, and also checks what only several settings together can show.
Descriptions and examples feed the generated table and example (`config/describe.py`).
"""

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from config.fields import (
    AbsolutePath,
    BrokerUrl,
    Name,
    Port,
    PublicKey,
    Region,
    SecretKey,
    SocketPath,
    StationId,
    Tender,
    Text,
    Timezone,
    decode_key,
)


class Table(BaseModel):
    """One table of station.toml: unknown keys and wrong types are refused, never guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Station(Table):
    """Who this station is."""

    id: StationId = Field(
        description="the station's id at headquarters; part of every fact and topic, never changed",
        examples=["station-0042"],
    )
    programme: Name = Field(
        description="the loyalty programme this station takes part in", examples=["demo-cn"]
    )
    timezone: Timezone = Field(
        description="the programme's time zone; business days and happy hours are counted in it",
        examples=["Asia/Shanghai"],
    )
    region: Region = Field(
        default="",
        description="administrative code by which the rules name regions where points do not age for a time",
    )
    state_dir: AbsolutePath = Field(
        default=Path("/var/lib/forecourt"), description="where the database and the station's key live"
    )
    control_socket: SocketPath = Field(
        default=Path("/run/forecourt/control.sock"),
        description="the socket on which the running agent answers the command line and tills",
    )


class Hq(Table):
    """The road to headquarters."""

    brokers: tuple[BrokerUrl, ...] = Field(
        min_length=1,
        strict=False,
        description="brokers in the order they are tried; plain `mqtt://` only to this machine",
        examples=[["mqtts://mqtt.example.org:8883"]],
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="certificates that a broker must descend from; absent: those of the system",
        examples=["/etc/forecourt/hq-ca.pem"],
    )
    cert_file: AbsolutePath | None = Field(
        default=None,
        description="this station's certificate, together with `key_file`, renewed by somebody else; "
        "absent: the one that `forecourt enroll` keeps in `state_dir`",
        examples=["/etc/forecourt/station.pem"],
    )
    key_file: AbsolutePath | None = Field(
        default=None,
        description="the private key of `cert_file`",
        examples=["/etc/forecourt/station.key"],
    )
    public_keys: dict[Name, PublicKey] = Field(
        min_length=1,
        description="headquarters' Ed25519 public keys by key id, base64url; only what they sign is believed",
        examples=[{"hq-1": "replace-me-with-the-public-key-of-HQ-------"}],
    )
    threshold: int = Field(default=1, ge=1, le=16, description="how many different keys must sign a bundle")
    down_threshold: int = Field(
        default=1, ge=1, le=16, description="how many different keys must sign an order to this station"
    )
    keepalive_s: int = Field(default=20, ge=5, le=1200, description="silence after which the broker is asked")
    window: int = Field(
        default=20, ge=1, le=1000, description="envelopes that may wait for an answer at once"
    )
    budget_bytes_per_s: int = Field(
        default=0,
        ge=0,
        le=1_000_000_000,
        description="what may be sent to headquarters in a second, for a road that is slow or paid for by "
        "the byte (2000 suits a GPRS modem); 0: anything",
    )
    metrics_every_s: int = Field(
        default=60, ge=0, le=86_400, description="how often figures are published while connected; 0: never"
    )
    delay_report_after_s: int = Field(
        default=3600,
        ge=600,
        le=2_592_000,
        description="age of what waits for headquarters from which slips say so; of a longer time without it "
        "headquarters is told afterwards",
    )

    def public_key_bytes(self) -> dict[str, bytes]:
        """`public_keys` decoded: 32 raw bytes by key id."""
        return {key_id: decode_key(text) for key_id, text in self.public_keys.items()}


class Binding(Table):
    """How a fuelling finds its payment and its member."""

    amount_tolerance_fen: int = Field(
        default=1, ge=0, le=100, description="largest difference between what was paid and what was fuelled"
    )
    fuelling_max_age_s: int = Field(
        default=1800, ge=60, le=86_400, description="age up to which a fuelling may still be paid for"
    )
    presentation_s: int = Field(
        default=300, ge=30, le=3600, description="how long a shown card waits for a nozzle to be lifted"
    )
    late_identification_s: int = Field(
        default=1800, ge=0, le=86_400, description="time after payment in which a member may still be named"
    )
    test_tenders: tuple[Tender, ...] = Field(
        default=("test",),
        strict=False,
        description="tenders by which the till rings up a test draw: booked, and never given points",
    )
    return_tenders: tuple[Tender, ...] = Field(
        default=("return-to-tank",),
        strict=False,
        description="tenders by which the till rings up fuel that went back into the tank: no points either",
    )
    largest_fill_l: int = Field(
        default=1000, ge=1, le=100_000, description="a fuelling above this is flagged, never refused"
    )
    fills_a_day: int = Field(
        default=6,
        ge=1,
        le=1000,
        description="a member with more fuellings on one day is flagged, never refused",
    )


class Store(Table):
    """The database on this station's disk."""

    min_free_mib: int = Field(
        default=64,
        ge=1,
        le=1_048_576,
        description="free disk below which points are no longer redeemed; below its double and its quadruple "
        "other things are given up (agent/README.md)",
    )
    keep_acknowledged_days: int = Field(
        default=30, ge=1, le=3650, description="how long messages stay here after headquarters has them"
    )


class Device(Table):
    """One device on a line."""

    key: Name = Field(
        description="the device's own name; part of every fact, so it stays when the cable moves",
        examples=["dispenser-1"],
    )
    address: Text = Field(description="its address on the line, as its driver writes it", examples=["1"])
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="what its driver wants to know; checked by the driver (drivers/README.md)",
        examples=[{}],
    )


class Line(Table):
    """One wire with its devices, served by one driver."""

    name: Name = Field(description="a name for logs and `forecourt status`", examples=["island-1"])
    driver: Name = Field(
        description="the driver that speaks on it (drivers/README.md)", examples=["companytec"]
    )
    port: Port = Field(
        description='a device file, best under "/dev/serial/by-id/", or "socket://host:port"; '
        "ifsf, verifone_journal and escpos_tap name others in their notes",
        examples=["/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"],
    )
    baud: int = Field(
        default=9600, ge=300, le=921_600, description="speed of a serial line in bits per second"
    )
    bytesize: Literal[7, 8] = Field(default=8, description="data bits of a character")
    parity: Literal["none", "even", "odd"] = Field(default="none", description="parity bit of a character")
    stopbits: Literal[1, 2] = Field(default=1, description="stop bits of a character")
    pty: bool = Field(default=False, description="the port is a pseudo-terminal of a simulator, not a wire")
    tap: Port | None = Field(
        default=None,
        description="a second device on which the other direction of the same wire is heard",
        examples=["/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BJ-if00-port0"],
    )
    echo: bool = Field(
        default=False,
        description="the converter hears what it says (two-wire loops); it is taken out of what is read",
    )
    device: tuple[Device, ...] = Field(min_length=1, strict=False, description="the devices on this line")


class Nozzle(Table):
    """One hose of a fuelling point."""

    device: Name = Field(description="the `key` of the device that reports it", examples=["dispenser-1"])
    nozzle: Text = Field(description="the nozzle as that device numbers it", examples=["1"])
    product: Text = Field(description="what it sells, as the rules name it", examples=["92"])


class Point(Table):
    """One side where one vehicle fuels at a time."""

    id: Name = Field(description="the point's number as the till knows it", examples=["1"])
    award_on: Literal["payment", "fuelling"] = Field(
        default="payment",
        description="give points when the till reports the payment, or when fuelling ends, where "
        "nothing tells a test draw from a sale",
    )
    nozzle: tuple[Nozzle, ...] = Field(min_length=1, strict=False, description="the hoses of this point")


class Tank(Table):
    """One tank that a gauge measures: compared with what the dispensers book, never a reason for points."""

    id: Name = Field(description="a name for alarms", examples=["tank-1"])
    device: Name = Field(description="the `key` of the gauge that measures it", examples=["gauge-1"])
    tank: Text = Field(description="the tank as that gauge numbers it", examples=["1"])
    product: Text = Field(description="what is in it, as the nozzles name it", examples=["92"])
    tolerance_ml: int = Field(
        default=100_000,
        ge=1_000,
        le=100_000_000,
        description="what may leave it within a day without a sale before an alarm is raised; tanks of one "
        "product are taken together",
    )


class Settings(Table):
    """Everything this station is told. Secrets come from systemd credentials, never from station.toml.

    `credential_key_k1` and `station_key` are None where a command needs no secrets; the service is
    loaded with `secrets_needed=True`.
    """

    language: Literal["en", "zh"] = Field(default="zh", description="what cashiers and customers read")
    credential_key_k1_file: AbsolutePath | None = Field(
        default=None, description="a file with `credential_key_k1`, for tests and the demo only"
    )
    credential_key_k1: SecretKey | None = Field(
        default=None,
        description="secret: the programme's key for hashing cards, plates and phone codes, 32 bytes",
    )
    station_key: SecretKey | None = Field(
        default=None,
        description="secret: the station's Ed25519 seed, 32 bytes; absent: `forecourt keys init` keeps one",
    )
    station: Station = Field(description="who this station is")
    hq: Hq = Field(description="the road to headquarters")
    binding: Binding = Field(
        default_factory=Binding, description="how a fuelling finds its payment and its member"
    )
    store: Store = Field(default_factory=Store, description="the database on this station's disk")
    line: tuple[Line, ...] = Field(min_length=1, strict=False, description="the wires and their devices")
    point: tuple[Point, ...] = Field(min_length=1, strict=False, description="where vehicles fuel")
    tank: tuple[Tank, ...] = Field(default=(), strict=False, description="the tanks that have a gauge")


def table_of(field: FieldInfo) -> type[Table] | None:
    """The table that a field holds, once or as a list of tables; None for a plain value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Table)), None)
