"""What only several settings together can show to be impossible. Pure: settings in, problems out."""

from collections.abc import Callable, Hashable, Iterable, Iterator

from config.fields import decode_key
from config.refusal import Problem
from config.settings import Settings

_NETWORK_OF_MANY = ("udp:", "ifsf:")
_NETWORK = ("socket:", *_NETWORK_OF_MANY)
_BETWEEN = " -> "

Entry = tuple[str, Hashable]
"""Dotted path of a setting and what must not be said twice there."""


def combination_problems(settings: Settings, source: str) -> list[Problem]:
    """Every impossible combination in `settings`; `source` is the file that the lines name."""
    checks: tuple[Callable[[Settings], Iterator[tuple[str, str, str]]], ...] = (
        _certificates,
        _threshold,
        _secrets_twice,
        _names_twice,
        _wires,
        _nozzles,
        _tanks,
        _draws,
    )
    return [
        Problem("COMBINATION_IMPOSSIBLE", source, key, reason, remedy)
        for check in checks
        for key, reason, remedy in check(settings)
    ]


def _certificates(settings: Settings) -> Iterator[tuple[str, str, str]]:
    hq = settings.hq
    if (hq.cert_file is None) != (hq.key_file is None):
        lonely = "hq.cert_file" if hq.key_file is None else "hq.key_file"
        yield lonely, "a certificate and its key only work together", "give both or neither"
    if hq.ca_file is not None and all(url.startswith("mqtt:") for url in hq.brokers):
        yield "hq.ca_file", "no broker uses TLS", "take it out, or use mqtts://"


def _threshold(settings: Settings) -> Iterator[tuple[str, str, str]]:
    keys = {decode_key(text) for text in settings.hq.public_keys.values()}
    if settings.hq.threshold > len(keys):
        reason = f"asks for {settings.hq.threshold} signatures but only {len(keys)} different keys are pinned"
        yield "hq.threshold", reason, "lower it, or add keys to hq.public_keys"


def _secrets_twice(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.credential_key_k1 is not None and settings.credential_key_k1_file is not None:
        yield (
            "credential_key_k1_file",
            "the key is given twice",
            "take this out: the other is the service's own",
        )


def _names_twice(settings: Settings) -> Iterator[tuple[str, str, str]]:
    yield from _twice("brokers", ((f"hq.brokers.{i}", url) for i, url in enumerate(settings.hq.brokers, 1)))
    yield from _twice("names", ((f"line.{i}.name", line.name) for i, line in enumerate(settings.line, 1)))
    yield from _twice("keys", _device_keys(settings))
    yield from _twice("ids", ((f"point.{i}.id", point.id) for i, point in enumerate(settings.point, 1)))


def _device_keys(settings: Settings) -> Iterator[tuple[str, str]]:
    for i, line in enumerate(settings.line, 1):
        for j, device in enumerate(line.device, 1):
            yield f"line.{i}.device.{j}.key", device.key


def _wires(settings: Settings) -> Iterator[tuple[str, str, str]]:
    yield from _twice("ports and taps", _devices(settings))
    for i, line in enumerate(settings.line, 1):
        addresses = ((f"line.{i}.device.{j}.address", d.address) for j, d in enumerate(line.device, 1))
        yield from _twice("addresses on this line", addresses)
        if line.pty and line.port.startswith(_NETWORK):
            yield f"line.{i}.pty", "a network port is not a pseudo-terminal", "take it out"
        if line.tap is not None and not (_is_one_wire(line.port) and _is_one_wire(line.tap)):
            reason = "only a device file or a socket:// has another direction to hear"
            yield f"line.{i}.tap", reason, "take it out"


def _devices(settings: Settings) -> Iterator[tuple[str, str]]:
    """Everything that lines open, the tap after the port; a line between two devices opens both."""
    for i, line in enumerate(settings.line, 1):
        for device in line.port.split(_BETWEEN):
            yield f"line.{i}.port", device
        if line.tap is not None:
            yield f"line.{i}.tap", line.tap


def _is_one_wire(port: str) -> bool:
    """Datagrams, an IFSF road, and a place between two devices are heard whole or not at all."""
    return not port.startswith(_NETWORK_OF_MANY) and _BETWEEN not in port


def _nozzles(settings: Settings) -> Iterator[tuple[str, str, str]]:
    known = {key for _, key in _device_keys(settings)}
    claims: list[Entry] = []
    for i, point in enumerate(settings.point, 1):
        for j, nozzle in enumerate(point.nozzle, 1):
            path = f"point.{i}.nozzle.{j}"
            if nozzle.device not in known:
                remedy = f"use the key of a [[line.device]]: {', '.join(sorted(known))}"
                yield f"{path}.device", f'no device has the key "{nozzle.device}"', remedy
            claims.append((path, (nozzle.device, nozzle.nozzle)))
    yield from _twice("nozzles of one device", claims)


def _tanks(settings: Settings) -> Iterator[tuple[str, str, str]]:
    known = {key for _, key in _device_keys(settings)}
    sold = {nozzle.product for point in settings.point for nozzle in point.nozzle}
    for i, tank in enumerate(settings.tank, 1):
        if tank.device not in known:
            remedy = f"use the key of a [[line.device]]: {', '.join(sorted(known))}"
            yield f"tank.{i}.device", f'no device has the key "{tank.device}"', remedy
        if tank.product not in sold:
            remedy = f"use the product of a [[point.nozzle]]: {', '.join(sorted(sold))}"
            yield f"tank.{i}.product", f'no nozzle sells "{tank.product}"', remedy
    yield from _twice("ids", ((f"tank.{i}.id", tank.id) for i, tank in enumerate(settings.tank, 1)))
    measured = ((f"tank.{i}", (tank.device, tank.tank)) for i, tank in enumerate(settings.tank, 1))
    yield from _twice("tanks of one gauge", measured)


def _draws(settings: Settings) -> Iterator[tuple[str, str, str]]:
    tenders = [
        ("test_tenders", settings.binding.test_tenders),
        ("return_tenders", settings.binding.return_tenders),
    ]
    said = ((f"binding.{key}.{i}", tender) for key, words in tenders for i, tender in enumerate(words, 1))
    yield from _twice("tenders of draws", said)


def _twice(what: str, entries: Iterable[Entry]) -> Iterator[tuple[str, str, str]]:
    first: dict[Hashable, str] = {}
    for path, value in entries:
        if value in first:
            yield path, f"says the same as {first[value]}", f"{what} must differ"
        first.setdefault(value, path)
