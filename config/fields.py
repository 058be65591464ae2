"""The small types that settings are made of: names, addresses of brokers and ports, keys.

Every check raises `refused(...)`, which carries what to do about it, so that a person at a station
gets one line with a remedy instead of a validator's vocabulary.
"""

import base64
import binascii
import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretBytes
from pydantic_core import PydanticCustomError

KEY_BYTES = 32
"""Ed25519 public keys and seeds, and the HMAC key: all are 32 bytes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,15}")
_SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path holds 108 with its final zero
_ROAD_KEYS = frozenset({"device", "node", "from", "to", "udp"})
_NO_TOPIC_LEVEL = "all"  # the topic fs/v1/all/# belongs to every station


def refused(reason: str, remedy: str, code: str = "VALUE_WRONG") -> PydanticCustomError:
    """The error of a value that cannot be used; `config/load.py` makes one line of it."""
    # pydantic formats its message template with braces: the texts travel in the context instead
    return PydanticCustomError(
        "setting_refused", "refused", {"reason": reason, "remedy": remedy, "code": code}
    )


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise refused(
            "is not a name", "use 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"
        )
    return text


def _station_id(text: str) -> str:
    if text == _NO_TOPIC_LEVEL:
        raise refused("'all' means every station", "give this station an id of its own")
    if not _STATION_ID.fullmatch(text):
        remedy = "use 1 to 32 letters, digits, '_' or '-', a letter or digit first"
        raise refused("is no id of a station", remedy)
    return text


def _text(text: str) -> str:
    if not text.strip() or text != text.strip() or not text.isprintable():
        raise refused("is empty, or has spaces around it or unprintable characters", "write it plainly")
    return text


def _region(code: str) -> str:
    if code and not _REGION.fullmatch(code):
        raise refused("is no code of a region", 'write it as the rules do, such as "530100", or leave it out')
    return code


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refused("is not a known time zone", 'use an IANA name such as "Asia/Shanghai"') from None
    return name


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise refused("is not an absolute path", "begin it with '/'")
    return path


def _socket_path(path: Path) -> Path:
    if len(bytes(_absolute(path))) > _SOCKET_PATH_BYTES_MAX:
        raise refused(
            f"is longer than {_SOCKET_PATH_BYTES_MAX} bytes", "choose a shorter path for the socket"
        )
    return path


def _host_and_port(parts: SplitResult) -> bool:
    try:
        return bool(parts.hostname) and parts.port is not None and parts.port > 0
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """True if `host` never leaves this machine: localhost, 127.0.0.0/8, ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _broker(url: str) -> str:
    parts = urlsplit(url)
    remedy = 'write it as "mqtts://host:8883"'
    if parts.scheme not in ("mqtt", "mqtts") or not _host_and_port(parts):
        raise refused("is not a broker's address", remedy)
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        raise refused(
            "has more than a host and a port", remedy + "; the station proves itself by certificate"
        )
    if parts.scheme == "mqtt" and not is_loopback(parts.hostname or ""):
        reason = "would send points and members in plain text over a network"
        raise refused(reason, remedy, code="COMBINATION_IMPOSSIBLE")
    return url


def _port(port: str) -> str:
    parts = urlsplit(port.partition("@")[0] if port.startswith("udp:") else port)
    if parts.scheme in ("socket", "udp") and _host_and_port(parts) and not parts.path:
        return port
    if parts.scheme == "ifsf":
        return _road(port, parts)
    if parts.scheme or not port.startswith("/"):
        remedy = 'use "/dev/serial/by-id/…", "socket://host:port" or "udp://group:port"'
        raise refused("is neither a device file nor an address", remedy)
    return port


def _road(port: str, parts: SplitResult) -> str:
    """Our IPv4 address and TCP port, and the device's node; drivers/README.md says what else may follow."""
    keys = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True)]
    has_place = _host_and_port(parts) and _is_ipv4(parts.hostname or "") and not parts.path
    if not has_place or "device" not in keys or len(keys) > len(_ROAD_KEYS.intersection(keys)):
        remedy = 'write "ifsf://192.168.1.5:3500?device=1" with our own address and the device\'s node'
        raise refused("does not say where an IFSF device finds us", remedy)
    return port


def _is_ipv4(host: str) -> bool:
    try:
        return not ipaddress.IPv4Address(host).is_unspecified
    except ValueError:
        return False


def decode_key(text: str) -> bytes:
    """32 bytes from 64 hex digits or from base64url with or without padding.

    Raises ValueError (also for right text of a wrong length); the text is never part of it.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}=?", text):
        raise ValueError("not 32 bytes in base64url or hex")
    try:
        return base64.b64decode(text.rstrip("=") + "=", altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not 32 bytes in base64url or hex") from None


def _public_key(text: str) -> str:
    try:
        decode_key(text)
    except ValueError as error:
        raise refused(f"is {error}", "copy the key that `forecourt keys` printed at headquarters") from None
    return text


def _secret_key(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return decode_key(value)
    except ValueError as error:
        remedy = f"make one with: head -c {KEY_BYTES} /dev/urandom | basenc --base64url"
        raise refused(f"is {error}", remedy) from None


Name = Annotated[str, AfterValidator(_name)]
StationId = Annotated[str, AfterValidator(_station_id)]
Text = Annotated[str, Field(max_length=64), AfterValidator(_text)]
Tender = Annotated[str, Field(max_length=20), AfterValidator(_text)]
Region = Annotated[str, AfterValidator(_region)]
Timezone = Annotated[str, AfterValidator(_timezone)]
AbsolutePath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
SocketPath = Annotated[Path, Field(strict=False), AfterValidator(_socket_path)]
BrokerUrl = Annotated[str, AfterValidator(_broker)]
Port = Annotated[str, AfterValidator(_port)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
SecretKey = Annotated[SecretBytes, BeforeValidator(_secret_key)]
