"""What the settings become: drivers, keys, addresses and the handlers' view of this station, all checked."""

import hmac
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from agent.app.trusted import TrustedKeys
from agent.handlers.credentials import CredentialKey
from agent.handlers.site import Limits, Place, Site, TankPlace
from config.settings import Line as LineSettings
from config.settings import Settings
from drivers import catalogue
from drivers.bus import Audience, Bus
from drivers.ports import PortSpec, only_hears
from drivers.session import Session
from sync.keys import PublicKey, SigningKey, read_key
from sync.refusal import Refusal
from sync.tls import BrokerAddress, parse_broker
from sync.trust import pinned

DATABASE, HEADS, STATION_KEY, LOCK = "station.db", "station.heads", "station.key", "agent.lock"
"""Files of the state directory."""


@dataclass(frozen=True, slots=True)
class StartRefused:
    """Why the agent does not start: a stable code, and a sentence with what to do."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What settings become once drivers, keys and addresses have been checked.

    On `listening_lines` no device's session ever speaks: their ports are opened so that nobody can.
    """

    settings: Settings
    site: Site
    key: SigningKey
    hq_keys: tuple[PublicKey, ...]
    brokers: tuple[BrokerAddress, ...]
    sessions: dict[str, Session]
    pos_lines: frozenset[str]
    listening_lines: frozenset[str]

    @property
    def card_key(self) -> bytes:
        """Keys what stands for an id that holds a card number (drivers/tripwire.py): a key of its own."""
        return hmac.digest(self.site.credential_key.secret, b"ids that hold card numbers", "sha256")

    def trusted(self) -> TrustedKeys:
        """The configured keys, each for everything."""
        hq = self.settings.hq
        return TrustedKeys(pinned(self.hq_keys, hq.down_threshold, hq.threshold), self.site.programme)


def prepare(settings: Settings) -> Parts | StartRefused:
    """Check what only several parts together can tell: driver options, keys, broker addresses."""
    assert settings.credential_key_k1 is not None, "the service is loaded with its secrets"
    sessions: dict[str, Session] = {}
    pos_lines: set[str] = set()
    registers: dict[str, str] = {}
    for line in settings.line:
        session = _session(line)
        if isinstance(session, StartRefused):
            return session
        sessions[line.name] = session
        if catalogue.find(line.driver).is_pos:
            pos_lines.add(line.name)
            if refusal := _shared_register(line, registers):
                return refusal
    key = station_key(settings)
    if isinstance(key, Refusal):
        return StartRefused(key.reason, f"{key.detail}; {key.remedy}")
    brokers = [parse_broker(url) for url in settings.hq.brokers]
    for broker in brokers:
        if isinstance(broker, Refusal):
            return StartRefused(broker.reason, f"{broker.detail}; {broker.remedy}")
    return Parts(
        settings=settings,
        site=site_of(settings),
        key=key,
        hq_keys=tuple(PublicKey(raw) for raw in settings.hq.public_key_bytes().values()),
        brokers=tuple(broker for broker in brokers if isinstance(broker, BrokerAddress)),
        sessions=sessions,
        pos_lines=frozenset(pos_lines),
        listening_lines=frozenset(line.name for line in settings.line if _listening(line) == {True}),
    )


def station_key(settings: Settings) -> SigningKey | Refusal:
    """The systemd credential if there is one, else the file that `forecourt keys init` made."""
    if settings.station_key is not None:
        return SigningKey(settings.station_key.get_secret_value())
    return read_key(settings.station.state_dir / STATION_KEY)


def site_of(settings: Settings) -> Site:
    assert settings.credential_key_k1 is not None
    binding = settings.binding
    return Site(
        station=settings.station.id,
        programme=settings.station.programme,
        zone=ZoneInfo(settings.station.timezone),
        language=settings.language,
        credential_key=CredentialKey(settings.credential_key_k1.get_secret_value()),
        devices={(line.name, device.address): device.key for line in settings.line for device in line.device},
        places={
            (nozzle.device, nozzle.nozzle): Place(point.id, nozzle.product)
            for point in settings.point
            for nozzle in point.nozzle
        },
        tanks={
            (tank.device, tank.tank): TankPlace(tank.id, tank.product, tank.tolerance_ml)
            for tank in settings.tank
        },
        award_on_fuelling=frozenset(point.id for point in settings.point if point.award_on == "fuelling"),
        limits=Limits(
            amount_tolerance_fen=binding.amount_tolerance_fen,
            fuelling_max_age_ms=binding.fuelling_max_age_s * 1000,
            presentation_ms=binding.presentation_s * 1000,
            late_identification_ms=binding.late_identification_s * 1000,
            delayed_after_ms=settings.hq.delay_report_after_s * 1000,
            largest_fill_ml=binding.largest_fill_l * 1000,
            fills_a_day=binding.fills_a_day,
        ),
        test_tenders=frozenset(binding.test_tenders),
        return_tenders=frozenset(binding.return_tenders),
        region=settings.station.region,
    )


def _session(line: LineSettings) -> Session | StartRefused:
    try:
        driver = catalogue.find(line.driver)
    except catalogue.UnknownDriver as error:
        return StartRefused("UNKNOWN_DRIVER", f"line {line.name}: {error}")
    sessions = []
    for device in line.device:
        try:
            options = driver.options.model_validate(device.options)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(("options", *map(str, first["loc"])))
            text = f"line {line.name}, device {device.key}, {where}: {first['msg']}; see drivers/README.md"
            return StartRefused("DRIVER_OPTION", text)
        try:
            sessions.append(driver.open_session(device.address, options))
        except ValueError as error:
            text = f"line {line.name}, device {device.key}, address {device.address}: {error}"
            return StartRefused("DRIVER_ADDRESS", f"{text}; see the driver's NOTES.md")
    listening = _listening(line)
    if len(listening) == 2:
        text = f"line {line.name}: some of its devices only listen, others are asked: a second master"
        return StartRefused("DRIVER_OPTION", f"{text}; give all devices of a line the same `mode`")
    if listening == {False} and only_hears(line.port):
        text = f"line {line.name}: nothing can be said on {line.port}, and driver {line.driver} asks there"
        return StartRefused("PORT_ONLY_HEARD", f"{text}; take another port, or an option by which it listens")
    if len(sessions) == 1:
        return sessions[0]
    return Audience(sessions) if listening == {True} else Bus(sessions)


def _listening(line: LineSettings) -> set[bool]:
    """Which devices of the line never say anything; drivers and options have been checked before."""
    driver = catalogue.find(line.driver)
    return {driver.listens(driver.options.model_validate(device.options)) for device in line.device}


def _shared_register(line: LineSettings, registers: dict[str, str]) -> StartRefused | None:
    """A register's number makes the ids of its sales: on two lines it would give two sales one id."""
    for device in line.device:
        register = device.options.get("register_id")
        if register is None:
            continue
        if (other := registers.setdefault(register, line.name)) != line.name:
            text = (
                f"line {line.name}, device {device.key}, options.register_id: {register} is on line {other}"
            )
            return StartRefused("DRIVER_OPTION", f"{text}; give each register its own")
    return None


def port_spec(line: LineSettings, *, listens: bool) -> PortSpec:
    return PortSpec(
        device=line.port,
        baud=line.baud,
        bytesize=line.bytesize,
        parity=line.parity,
        stopbits=line.stopbits,
        pty=line.pty,
        listen_only=listens,
        tap=line.tap or "",
        echo=line.echo,
    )
