"""Recordings that name nobody: the tags in frames are replaced, lengths and check values stay right."""

import re
from collections.abc import Iterator, Mapping

from drivers.checksums import sum_mod_256
from drivers.companytec import codec
from drivers.companytec.commands import Command, parse_command, parse_question
from drivers.companytec.horustech import framed
from drivers.companytec.layouts import CBC, HORUSTECH, TAG_FIELDS, Form
from drivers.companytec.pieces import Piece, pieces

_LONG_HEX = re.compile(rb"[0-9A-Fa-f]{16,}")


def redact(data: bytes) -> bytes:
    """`data` with every tag made of ones; no tag (all F, all 0) stays that. In what is no whole frame, or a
    damaged or unknown one, every run of sixteen hex digits or more goes, its check value with it."""
    return b"".join(_redacted(piece) for piece in pieces(data))


def _redacted(piece: Piece) -> bytes:
    clean = None
    if piece.kind == "cbc":
        clean = _cbc(piece.text)
    elif piece.kind == "horustech":
        clean = _horustech(piece.text)
    return _LONG_HEX.sub(lambda run: b"1" * len(run.group()), piece.data) if clean is None else clean


def _cbc(body: str) -> bytes | None:
    if (command := parse_command(body)) is not None and command.fields:
        said = _said(command)
        return codec.checked(said) if len(said) + 2 == len(body) else _whole(said)
    if command is not None:
        return _whole(body)
    form = _form_of(body[:-2], CBC) if codec.holds(body) else None
    if form is not None:
        return codec.checked(_without_tags(form, body[:-2]))
    if (groups := codec.parse_tags_in_progress(body)) is not None:
        return _whole("".join(nozzle + _hidden(tag) for nozzle, tag in groups))
    return _whole(body) if codec.is_sound(body) and not codec.holds(body) else None


def _horustech(text: str) -> bytes | None:
    kind, content, check = text[0], text[5:-2], text[-2:]
    if check != f"{sum_mod_256(text[:-2].encode('ascii')):02X}":
        return None
    if kind == "?":
        command = parse_question(content)
        clean = _said(command) if command is not None else None
    else:
        form = _form_of(content, HORUSTECH)
        clean = _without_tags(form, content) if form is not None else _list(content)
    return None if clean is None else framed(clean, kind=kind)


def _list(content: str) -> str | None:
    """Fuellings in progress with their tags; other answers without a layout name nobody if they are short."""
    if content.startswith("28") and (len(content) - 2) % 24 == 0:
        groups = (content[at : at + 24] for at in range(2, len(content), 24))
        return "28" + "".join(group[:8] + _hidden(group[8:]) for group in groups)
    return content if len(content) < 18 or content.startswith("03") else None


def _said(command: Command) -> str:
    return "".join(
        _hidden(digits) if name in TAG_FIELDS else digits for name, digits in command.fields.items()
    )


def _form_of(content: str, forms: Mapping[str, Form]) -> Form | None:
    return next((form for form in forms.values() if form.fields(content) is not None), None)


def _without_tags(form: Form, content: str) -> str:
    return form.prefix + "".join(_parts(form, content))


def _parts(form: Form, content: str) -> Iterator[str]:
    for name, digits in form.split(content):
        yield _hidden(digits) if name in TAG_FIELDS else digits


def _hidden(digits: str) -> str:
    return digits if set(digits) in ({"F"}, {"0"}) else "1" * len(digits)


def _whole(body: str) -> bytes:
    return f"({body})".encode("ascii")
