"""The check values that our protocols use, each over whole frames in memory.

Only what a driver here needs; a device with another polynomial brings its own line.
"""

from collections.abc import Iterable


def sum_mod_256(data: bytes) -> int:
    """Sum of all bytes, lowest 8 bits (Companytec CBC: DT435 3.11, [pub]). One wrong bit always shows;
    two that cancel out do not."""
    return sum(data) & 0xFF


def xor_lrc(data: bytes) -> int:
    """XOR of all bytes (STX/ETX links: devices.md 12.3)."""
    check = 0
    for byte in data:
        check ^= byte
    return check


def _crc16_modbus_table() -> Iterable[int]:
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        yield crc


_CRC16_MODBUS = tuple(_crc16_modbus_table())


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 8005 reflected, start FFFF; on the wire the low byte goes first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC16_MODBUS[(crc ^ byte) & 0xFF]
    return crc
