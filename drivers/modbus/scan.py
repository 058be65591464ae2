"""Read-only questions for whoever looks for a device: `forecourt device scan` and `totals`."""

from drivers.driver import Ask
from drivers.modbus import codec
from drivers.modbus.maps import CounterMap, LastSaleMap
from drivers.modbus.meanings import asked_blocks
from drivers.modbus.options import ModbusOptions
from drivers.modbus.session import unit_of


def asks(address: str, options: ModbusOptions) -> tuple[Ask, ...]:
    """One register first (any answer, a refusal too, is a Modbus unit), then the blocks that a session reads.

    () for an address that is no unit.
    """
    try:
        unit = unit_of(address, options)
    except ValueError:
        return ()
    found = options.register_map()
    blocks = asked_blocks(found)
    first = found.on_wire(blocks[0].address)
    questions = [("is a unit there", first, 1, False)]
    for block in blocks:
        is_totals = isinstance(found, CounterMap) or (isinstance(found, LastSaleMap) and block == found.meter)
        title = f"registers {block.address} to {block.address + block.count - 1}"
        questions.append((title, found.on_wire(block.address), block.count, is_totals))
    return tuple(
        Ask(title, codec.encode(codec.read(unit, found.function, at, count), options.transport, 1), is_totals)
        for title, at, count, is_totals in questions
    )
