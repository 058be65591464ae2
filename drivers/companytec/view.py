"""What the frames of a concentrator mean, for people: both protocols, both directions, whatever is set."""

from collections.abc import Iterator, Mapping

from drivers.companytec import codec, horustech
from drivers.companytec.commands import Command, parse_command, parse_question
from drivers.companytec.layouts import CBC, HORUSTECH, Form, repeated
from drivers.companytec.meanings import meaning
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.pieces import Piece, pieces
from drivers.views import Check, Detail, Sender, View, joined, noise

_TAKEN = {"M": "mode", "U": "price", "P": "preset", "F": "preset for a tag"}
_LISTS = {"03": "fuellings in progress", "28": "tags of fuellings in progress"}
_ERRORS: Mapping[str, str] = {
    "t": "the pump did not answer in time",
    "b": "no such nozzle",
    "r": "the pump answered wrong",
    "m": "no such mode",
    "f": "the list is full",
}


def explain(data: bytes, options: CompanytecOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_view(piece, options) for piece in pieces(data))


def _view(piece: Piece, options: CompanytecOptions) -> View:
    if piece.kind == "noise":
        return noise(piece.data)
    if piece.kind == "horustech":
        return _horustech(piece.data, options)
    body = piece.text
    is_answer = codec.parse_error(body) is not None or body == "&H"
    return (
        _command(piece.data, body)
        if body[0] in "&?" and not is_answer
        else _answer(piece.data, body, options)
    )


def _command(data: bytes, body: str) -> View:
    if (command := parse_command(body)) is not None:
        check = Check.OK if codec.holds(body) else Check.NONE
        return View(data, command.kind.value, "host", check, _fields_of(command))
    is_whole = codec.holds(body)
    title = "unknown command" if is_whole else "damaged frame"
    return View(data, title, "host", Check.OK if is_whole else Check.WRONG)


def _fields_of(command: Command) -> tuple[Detail, ...]:
    return tuple(Detail(name, digits) for name, digits in command.fields.items() if name != "form")


def _answer(data: bytes, body: str, options: CompanytecOptions) -> View:
    if codec.holds(body):
        content = body[:-2]
        form = _form(content, CBC)
        details = _record(content, form, options) if form is not None else ()
        return View(data, form.title if form else "unknown answer", "device", Check.OK, details)
    if (plain := _unchecked(body)) is not None:
        return View(data, plain[0], "device", Check.NONE, tuple(plain[1]))
    return View(data, "damaged frame", "device", Check.WRONG)


def _unchecked(body: str) -> tuple[str, tuple[Detail, ...]] | None:
    """Title and details of the answers without check value."""
    if body == codec.NOTHING:
        return "nothing", ()
    if (error := codec.parse_error(body)) is not None:
        return "error", (Detail("error", error, _ERRORS[error]),)
    if body == "&H":
        return "clock is set", ()
    if body.startswith("REL "):
        return "clock", (Detail("clock", body[4:]),)
    if len(body) == 3 and body[0] in _TAKEN and codec.is_hex(body[1:]):
        return f"{_TAKEN[body[0]]}: taken", (Detail("nozzle", body[1:]),)
    if codec.parse_flow(body) is not None:
        return "fuellings in progress", tuple(_in_progress(body, 6))
    if codec.parse_tags_in_progress(body) is not None:
        return "tags of fuellings in progress", tuple(_in_progress(body, 16))
    if (states := codec.parse_states(body)) is not None:
        said = sorted({f"{letter} {codec.STATE_LETTERS[letter]}" for letter in states.letters})
        rest = (Detail("device", states.rest),) if states.rest else ()
        return "state per address", (Detail("states", states.letters, ", ".join(said)), *rest)
    return None


def _in_progress(body: str, width: int) -> Iterator[Detail]:
    for nozzle, value in repeated(body, 2, width) or ():
        said = "money or volume so far" if width == 6 else ""
        yield Detail(f"nozzle {nozzle}", value, said)


def _form(content: str, forms: Mapping[str, Form]) -> Form | None:
    return next((form for form in forms.values() if form.fields(content) is not None), None)


def _record(content: str, form: Form, options: CompanytecOptions) -> tuple[Detail, ...]:
    fields = dict(form.split(content))
    return tuple(Detail(name, digits, meaning(name, fields, options)) for name, digits in form.split(content))


def _horustech(data: bytes, options: CompanytecOptions) -> View:
    heard = list(horustech.Reader().feed(data))
    sender: Sender = "host" if data[1:2] == b"?" else "device"
    if not heard:
        return View(data, "damaged frame", sender, Check.WRONG)
    content = heard[0][1:]
    if sender == "host":
        command = parse_question(content)
        title = command.kind.value if command is not None else "unknown command"
        return View(data, title, "host", Check.OK, _fields_of(command) if command is not None else ())
    title, details = _horustech_answer(content, options)
    return View(data, title, "device", Check.OK, details)


def _horustech_answer(content: str, options: CompanytecOptions) -> tuple[str, tuple[Detail, ...]]:
    index, rest = content[:2], content[2:]
    if (form := _form(content, HORUSTECH)) is not None:
        return form.title, _record(content, form, options)
    if (error := horustech.parse_error(content)) is not None:
        return "error", (Detail("index", index), Detail("error", error))
    if index == "01":
        said = ", ".join(f"{at} {letter}" for at, letter in enumerate(rest, start=1) if letter != " ")
        return "state per nozzle", (Detail("states", rest, said),)
    if index in _LISTS and rest:
        widths = {"03": (2, 6), "28": (2, 6, 16)}[index]
        groups = repeated(rest, *widths) or ()
        return _LISTS[index], tuple(Detail(f"nozzle {nozzle}", " ".join(said)) for nozzle, *said in groups)
    return (f"nothing for {index}" if not rest else f"answer {index}"), (Detail("data", content),)
