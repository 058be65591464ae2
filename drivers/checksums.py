"""The check values that our protocols use, each over whole frames in memory.

Only what a driver here needs; a device with another polynomial brings its own line.
"""


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


def _reflected(polynomial: int) -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_8005, _1021 = _reflected(0xA001), _reflected(0x8408)


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 8005 reflected, start FFFF; on the wire the low byte goes first."""
    return _crc16(data, _8005, 0xFFFF)


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC: polynomial 8005 reflected, start 0 (DART, UniPump: devices.md 3.1, 5, [cap])."""
    return _crc16(data, _8005, 0)


def crc16_kermit(data: bytes) -> int:
    """CRC-16/KERMIT: polynomial 1021 reflected, start 0 (Hengshan FA: devices.md 4.2)."""
    return _crc16(data, _1021, 0)


def _crc16(data: bytes, table: tuple[int, ...], crc: int) -> int:
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
