"""The check value of every driver's frames, computed apart from the drivers.

`holds` says whether it is right: functions of tests/vectors/check_vectors.py, and our own for protocols
that it does not have. `seal` makes a frame right whose content was changed: no wire does that, a device may.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.vectors.check_vectors import CHECKS as KNOWN
from tests.vectors.check_vectors import (
    azt,
    cbc,
    crc16_reflected,
    dart,
    gilbarco,
    horustech,
    ifsf_serial,
    undouble,
    unipump,
    xor,
)

Holds = Callable[[bytes], bool]
Seal = Callable[[bytes], bytes]


@dataclass(frozen=True)
class CheckValue:
    """`holds` may raise on what is too short to be a frame; `vouches_for` says False then."""

    holds: Holds
    seal: Seal

    def vouches_for(self, frame: bytes) -> bool:
        try:
            return self.holds(frame)
        except (ValueError, IndexError):
            return False


def _crc(data: bytes, poly: int, init: int = 0) -> bytes:
    return crc16_reflected(data, poly, init).to_bytes(2, "little")


def _doubled(data: bytes, byte: int) -> bytes:
    return data.replace(bytes([byte]), bytes([byte, byte]))


def _seal_sum(frame: bytes, head: int, tail: int) -> bytes:
    """The sum modulo 256 of what stands between, as two hex digits."""
    body = frame[head : len(frame) - 2 - tail]
    return frame[:head] + body + b"%02X" % (sum(body) & 0xFF) + frame[len(frame) - tail :]


def _seal_companytec(frame: bytes) -> bytes:
    if not frame.startswith(b">"):
        return _seal_sum(frame, 1, 1)
    content = frame[6:-2]
    return _seal_sum(frame[:2] + b"%04X" % len(content) + content + b"00", 1, 0)


def _companytec(frame: bytes) -> bool:
    return horustech(frame) if frame.startswith(b">") else cbc(frame)


def _seal_dart(frame: bytes) -> bytes:
    plain = frame[:-2].replace(b"\x10\xfa", b"\xfa")[:-2]
    return (plain + _crc(plain, 0xA001)).replace(b"\xfa", b"\x10\xfa") + b"\x03\xfa"


def _seal_unipump(frame: bytes) -> bytes:
    body = undouble(frame[2:-2], 0x10)[:-2]
    return b"\x10\x02" + _doubled(body + _crc(body, 0xA001), 0x10) + b"\x10\x03"


def _seal_hengshan(frame: bytes) -> bytes:
    body = undouble(frame[1:], 0xFA)[:-2]
    return frame[:1] + _doubled(body + _crc(body, 0x8408), 0xFA)


def _seal_ifsf(frame: bytes) -> bytes:
    content = frame[1:-6]
    return b"\xfd" + content + b"\xfc%04X\xfb" % (sum(content) & 0xFFFF)


def _tls(frame: bytes) -> bool:
    """With && in front of the check value, and in a refusal (9999) without."""
    return (-sum(frame[:-5]) & 0xFFFF) == int(frame[-5:-1], 16) and frame[-1] == 3


def _seal_tls(frame: bytes) -> bytes:
    return frame[:-5] + b"%04X\x03" % (-sum(frame[:-5]) & 0xFFFF)


def _pos_link(frame: bytes) -> bool:
    """`STX data FS crc ETX lrc`."""
    return frame == _seal_pos_link(frame) and frame[-7:-6] == b"\x1c"


def _seal_pos_link(frame: bytes) -> bytes:
    data = frame[1:-6]
    signed = data + b"%04X\x03" % crc16_reflected(data, 0xA001, 0xFFFF)
    return b"\x02" + signed + bytes([xor(signed)])


def _seal_gilbarco(frame: bytes) -> bytes:
    return frame[:-2] + bytes([0xE0 | -sum(frame[:-2]) & 0x0F, 0xF0])


def _seal_azt(frame: bytes) -> bytes:
    plain = frame[2:-3:2]
    pairs = b"".join(bytes([byte, byte ^ 0x7F]) for byte in plain)
    return frame[:2] + pairs + b"\x03\x03" + bytes([xor(plain) ^ 0x03 | 0x40])


def _seal_tax(frame: bytes) -> bytes:
    body = frame[2:-1]
    return frame[:1] + bytes([len(body) + 1 & 0xFF]) + body + bytes([xor(body)])


def _blueprint(frame: bytes) -> bool:
    return frame == _seal_blueprint(frame)


def _seal_blueprint(frame: bytes) -> bytes:
    return frame[:-6] + b"*%04X\n" % crc16_reflected(frame[:-6], 0xA001, 0xFFFF)


def _as_it_is(frame: bytes) -> bytes:
    return frame


NO_CHECK_VALUE = CheckValue(lambda frame: False, _as_it_is)
CHECK_VALUES: Mapping[str, CheckValue] = {
    "azt2": CheckValue(azt, _seal_azt),
    "blueprint": CheckValue(_blueprint, _seal_blueprint),
    "cn_tax_port": CheckValue(KNOWN["cn-tax"], _seal_tax),
    "companytec": CheckValue(_companytec, _seal_companytec),
    "dart": CheckValue(dart, _seal_dart),
    "escpos_tap": NO_CHECK_VALUE,
    "gilbarco": CheckValue(gilbarco, _seal_gilbarco),
    "hengshan": CheckValue(KNOWN["hengshan-fa"], _seal_hengshan),
    "ifsf": CheckValue(ifsf_serial, _seal_ifsf),
    "modbus": CheckValue(KNOWN["modbus"], lambda frame: frame[:-2] + _crc(frame[:-2], 0xA001, 0xFFFF)),
    "pos_link": CheckValue(_pos_link, _seal_pos_link),
    "unipump": CheckValue(unipump, _seal_unipump),
    "veeder_root": CheckValue(_tls, _seal_tls),
    "verifone_journal": NO_CHECK_VALUE,
    "zhengxing": CheckValue(KNOWN["zhengxing"], lambda frame: frame[:-1] + bytes([xor(frame[1:-1])])),
}
"""By driver. A driver that is not here has to be entered before its views can be believed."""
