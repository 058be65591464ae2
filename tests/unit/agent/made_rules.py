"""Rule bundles and rollout documents made for the tests of their life at a station."""

import json
from datetime import UTC, datetime

from agent.handlers.adopt_rollout import adopt_rollout
from agent.handlers.adoption import Adoption
from agent.messages.bodies import RulesState
from agent.messages.rollout import bucket
from tests.world import BASIC, BUNDLE, World

DEMO = BUNDLE.read_text(encoding="utf-8").split("[[vector]]", maxsplit=1)[0]
ROLLOUT = "spring"


def rules(
    version: int,
    *,
    points_minor: int = 200,
    effective_ms: int | None = None,
    rollout: dict[str, int] | None = None,
    also: str = "",
    cut: str = "",
) -> bytes:
    """The demo bundle with another rate per litre; `rollout` stages it, `cut` leaves out a product."""
    text = DEMO.replace("version = 42", f"version = {version}", 1)
    text = text.replace("points_minor = 200", f"points_minor = {points_minor}", 1)
    if effective_ms is not None:
        since = datetime.fromtimestamp(effective_ms / 1000, UTC).isoformat()
        text = text.replace("2026-07-01T00:00:00+08:00", since, 1)
    if cut:
        assert f'"{cut}"' in text
        text = text.replace(f'"{cut}"', '"other-fuel"')
    if rollout is not None:
        text += _rollout_table(rollout)
    return (text + also).encode()


def _rollout_table(changes: dict[str, int]) -> str:
    usual = {"percent": 0, "shadow_sales": 2, "least_sales": 4, "declined_bp": 5000}
    numbers = usual | {"mismatched": 0, "crashes": 2} | changes
    lines = [f"{key} = {number}" for key, number in numbers.items()]
    return "\n".join(["\n[rollout]", f'id = "{ROLLOUT}"', *lines, ""])


def word(world: World, serial: int, version: int, percent: int = 0, /, **changes: object) -> bytes:
    """A rollout document, valid for an hour."""
    content: dict[str, object] = {
        "schema": "rollout/1",
        "programme": world.site.programme,
        "serial": serial,
        "rollout": ROLLOUT,
        "version": version,
        "percent": percent,
        "issued_at_ms": world.at_ms,
        "not_after_ms": world.at_ms + 3_600_000,
    }
    return json.dumps(content | changes).encode()


def tell(world: World, payload: bytes) -> Adoption:
    return world.run(lambda tx, at: adopt_rollout(payload, tx, world.site, at))


def states(world: World) -> dict[int, tuple[str, str]]:
    """version → (state, reason)"""
    rows = world.rows("SELECT version, state, reason FROM bundle ORDER BY version")
    return {version: (state, reason) for version, state, reason in rows}


def told(world: World) -> list[RulesState]:
    """What HQ is told of the rules, in order."""
    rows = world.rows("SELECT body FROM outbox WHERE kind = 'rules.state' ORDER BY seq")
    return [RulesState.model_validate_json(body) for (body,) in rows]


def sell(world: World, name: str, nozzle: str = "08") -> int | None:
    """10 litres to the basic member; the points, minor units."""
    return world.pay(name, world.fuel(10_000, nozzle).amount_fen, credential=BASIC).points_minor


OURS = bucket("station-0042", ROLLOUT)
"""Where the station of the tests stands in the rollout of the tests."""
