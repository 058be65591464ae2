"""`forecourt device totals`: what the meters say."""

from typing import TYPE_CHECKING, Any

import typer

from agent.cli.device_choice import (
    AddressOption,
    BaudOption,
    CharacterOption,
    DriverOption,
    EchoOption,
    PortArgument,
    SetOption,
    choose,
    opened,
    spec_of,
    wiring_of,
)
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.device_choice import Chosen
    from drivers.driver import Ask
    from drivers.ports import PortSpec
    from drivers.views import View

_ANSWER_MS = 1_000
_TRIES = 3

Answers = list[tuple["Ask", "tuple[View, ...]"]]


def totals(
    port: PortArgument,
    driver: DriverOption,
    address: AddressOption = "",
    option: SetOption = None,
    baud: BaudOption = 0,
    character: CharacterOption = "",
    echo: EchoOption = False,
    json_output: JsonOption = False,
) -> None:
    """Ask for the totalizers once: the digits as they were sent, and what they mean.

    It listens for a second first, and asks nothing where somebody else speaks. Exit code 3 without an answer.
    """
    from agent.cli.device_watch import refuse_company

    chosen = choose(driver, option, address, json_output=json_output)
    questions = [ask for ask in chosen.driver.asks(chosen.address, chosen.options) if ask.is_totals]
    if not questions:
        text = f"{driver} has no question for totals; `forecourt device watch` shows what it hears"
        fail(Exit.REFUSED, "NO_TOTALS", text, json_output=json_output)
    wiring = wiring_of(chosen.driver.wirings[0], baud, character, json_output=json_output)
    spec = spec_of(port, wiring, echo=echo, json_output=json_output)
    refuse_company(spec, json_output=json_output)
    answers = _ask(spec, chosen, questions, json_output=json_output)
    silent = [question.title for question, views in answers if not views]
    if json_output:
        told = [{"question": question.title, "views": _plain(views)} for question, views in answers]
        as_json({"ok": not silent, "driver": driver, "address": chosen.address, "totals": told})
    else:
        _print(answers)
    if silent:
        text = f"{', '.join(silent)}: no answer of {chosen.address}; `forecourt device doctor` looks why"
        typer.echo(f"NO_ANSWER: {text}", err=True)
        raise typer.Exit(Exit.DEVICE)


def _ask(spec: "PortSpec", chosen: "Chosen", questions: "list[Ask]", *, json_output: bool) -> Answers:
    from agent.cli.device_wire import ask, without_echo
    from agent.clock import SystemClock

    clock = SystemClock().monotonic_ms
    answers: Answers = []
    with opened(spec, json_output=json_output) as port:
        for question in questions:
            views: tuple[View, ...] = ()
            for _ in range(_TRIES):
                answer, _ = without_echo(question.data, ask(port, clock, question.data, _ANSWER_MS))
                if views := _of_device(chosen, answer):
                    break
            answers.append((question, views))
    return answers


def _of_device(chosen: "Chosen", answer: bytes) -> "tuple[View, ...]":
    """The frames of an answer that a device may have said and whose check value is not wrong."""
    from drivers.views import NOISE, Check

    views = chosen.driver.explain(answer, chosen.options)
    frames = (v for v in views if v.title != NOISE and v.sender != "host")
    return tuple(view for view in frames if view.check is not Check.WRONG)


def _plain(views: "tuple[View, ...]") -> list[dict[str, Any]]:
    from agent.cli.device_show import plain_view

    return [plain_view(view) for view in views]


def _print(answers: Answers) -> None:
    from agent.cli.device_show import view_lines

    for question, views in answers:
        typer.echo(f"{question.title}:")
        for view in views:
            for line in view_lines(view):
                typer.echo(f"  {line}")
