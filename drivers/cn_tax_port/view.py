"""What the tax-control port's frames mean, for people."""

from collections.abc import Iterator

from drivers.cn_tax_port import codec, layouts
from drivers.cn_tax_port.codec import Frame
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled
from drivers.views import Check, Detail, View, joined, noise


def explain(data: bytes, options: TaxPortOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data, options))


def _views(data: bytes, options: TaxPortOptions) -> Iterator[View]:
    at = 0
    while at < len(data):
        found = codec.frame_at(data[at:])
        size = 1 if found is None or found[0] > len(data) - at else found[0]
        piece = data[at : at + size]
        frame = None if found is None or size == 1 else found[1]
        if frame is not None:
            yield _frame(piece, frame, options)
        elif size > 1 and not _holds_a_frame(piece):
            yield View(piece, "damaged frame", check=Check.WRONG)
        else:
            size = 1
            yield noise(piece[:1])
        at += size


def _holds_a_frame(piece: bytes) -> bool:
    """A frame behind a false beginning is not hidden in it."""
    begins = (at for at in range(1, len(piece)) if piece[at] == codec.PREAMBLE)
    return any(codec.frame_at(piece[at:]) is not None for at in begins)


def _frame(piece: bytes, frame: Frame, options: TaxPortOptions) -> View:
    known = layouts.recognise(frame)
    if known is None:
        details: tuple[Detail, ...] = (
            Detail("command", f"{frame.code:02X}"),
            Detail("bytes", frame.body.hex(" ")),
        )
        return View(piece, "unknown", "", Check.OK, details)
    layout, fields = known
    details = tuple(_detail(name, raw, options) for name, raw in fields.items())
    return View(piece, layout.title, layout.sender, Check.OK, details)


def _detail(name: str, raw: bytes, options: TaxPortOptions) -> Detail:
    if name.endswith("#"):
        return Detail(name[:-1], f"{raw[0]:02X}", f"{raw[0]}")
    text = raw.decode("ascii", "backslashreplace")
    return Detail(name, text, _meaning(name, text, options))


def _meaning(name: str, text: str, options: TaxPortOptions) -> str:
    amount = (options.amount_decimals, options.minor_decimals, "minor units (fen)")
    scales = {
        "volume": (options.volume_decimals, LITRE_DECIMALS, "ml"),
        "total volume": (options.totalizer_decimals, LITRE_DECIMALS, "ml"),
        "amount": amount,
        "total amount": amount,
        "unit price": (options.price_decimals, PRICE_DECIMALS, "milli a litre"),
    }
    if name not in scales or not (text.isascii() and text.isdigit()):
        return ""
    decimals, wanted, unit = scales[name]
    return f"{scaled(text, decimals, wanted)} {unit}"
