"""Unit: does an integrator find every kind of item in sync/README.md, and does HQ's judge know them all?"""

import re
from pathlib import Path

import sync
from agent.messages import bodies, judge

README = (Path(sync.__file__).parent / "README.md").read_text(encoding="utf-8")


def kinds_of_the_models() -> set[str]:
    models = [model for model in vars(bodies).values() if isinstance(model, type)]
    items = [model for model in models if issubclass(model, bodies.Body) and model is not bodies.Body]
    return {word for model in items for word in model.model_fields["kind"].annotation.__args__}


def test_the_table_of_items_is_the_models() -> None:
    told = re.findall(r"^\| (?:ledger|service) \| `([a-z.]+)` \|", README, re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == kinds_of_the_models()


def test_the_judge_knows_every_item() -> None:
    assert set(judge.MODELS) == kinds_of_the_models()
