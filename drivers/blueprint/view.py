"""What blueprint's frames mean, for people."""

from collections.abc import Iterator

from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.views import Check, Detail, View, joined, noise


def explain(data: bytes, options: BlueprintOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data))


def _views(data: bytes) -> Iterator[View]:
    for line in data.splitlines(keepends=True):
        bodies = list(codec.Reader().feed(line))
        yield _frame(line, bodies[0]) if bodies else _damaged(line)


def _damaged(line: bytes) -> View:
    is_whole = line.endswith(b"\n") and line[-6:-5] == b"*"
    return View(line, "damaged frame", check=Check.WRONG) if is_whole else noise(line)


def _frame(line: bytes, body: str) -> View:
    if sale := codec.parse_sale(body):
        return View(line, "sale", "device", Check.OK, _sale(sale))
    if number := codec.parse_kept(body):
        return View(line, "keep", "", Check.OK, (Detail("number", number, f"sale {int(number)} is kept"),))
    if body == codec.READ:
        return View(line, "read the oldest sale", "host", Check.OK)
    return View(line, "no sale waits" if body == codec.NOTHING else "unknown", "device", Check.OK)


def _sale(sale: codec.Sale) -> tuple[Detail, ...]:
    return (
        Detail("number", sale.sequence_no, f"{int(sale.sequence_no)}"),
        Detail("nozzle", sale.nozzle, f"{int(sale.nozzle)}"),
        Detail("volume", sale.volume, f"{int(sale.volume) * 10} ml"),
        Detail("amount", sale.amount, f"{int(sale.amount)} fen"),
        Detail("unit price", sale.unit_price, f"{int(sale.unit_price) * 10} milli a litre"),
        Detail("totalizer", sale.totalizer, f"{int(sale.totalizer) * 10} ml"),
    )
