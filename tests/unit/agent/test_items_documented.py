"""Unit: does an integrator find every kind of item in sync/README.md, and does HQ's judge know them all?"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import agent.messages
import sync
from agent.messages.bodies import Body
from agent.messages.down import KINDS
from agent.messages.items import ITEMS
from agent.messages.judge import MODELS

README = (Path(sync.__file__).parent / "README.md").read_text(encoding="utf-8")


def models_of_the_contract() -> Iterator[type[Body]]:
    """Every body that any module of agent/messages defines, registered or not."""
    for found in pkgutil.iter_modules(agent.messages.__path__):
        module = importlib.import_module(f"agent.messages.{found.name}")
        for model in vars(module).values():
            is_body = isinstance(model, type) and issubclass(model, Body) and model is not Body
            if is_body and model.__module__ == module.__name__:
                yield model


def test_every_model_is_registered_under_its_own_kind() -> None:
    by_kind = {model.model_fields["kind"].annotation.__args__: model for model in models_of_the_contract()}
    assert {(kind,): item.model for kind, item in ITEMS.items()} == by_kind


def test_the_table_of_items_is_the_models() -> None:
    told = re.findall(r"^\| (urgent|ledger|service) \| `([a-z._]+)` \|", README, re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == {(item.stream, kind) for kind, item in ITEMS.items()}


def test_the_table_of_orders_is_the_kinds() -> None:
    orders = README.split("| kind | what it does here |")[1].split("\n\n")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", orders, re.MULTILINE)
    told = [kind for cell in first_cells for kind in re.findall(r"`([a-z.-]+)`", cell)]
    assert sorted(told) == sorted(KINDS)


def test_the_judge_knows_every_item() -> None:
    assert {kind: item.model for kind, item in ITEMS.items()} == MODELS


def test_what_makes_an_item_one_and_the_same_are_fields_of_it() -> None:
    for item in ITEMS.values():
        assert set(item.entity) <= set(item.model.model_fields)
