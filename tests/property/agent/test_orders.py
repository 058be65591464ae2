"""Property: does any delivery of orders (repeated, reordered, with gaps, cut off) end where in order ends?"""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Instant
from agent.handlers.obey import Obeyed
from agent.handlers.site import Site
from agent.handlers.verdict import Verdict
from agent.store.database import Transaction
from agent.store.integrity import verify
from sync.down import Down
from tests.unit.agent.orders import RECALL, Orders, mark, order
from tests.world import WEDNESDAY_MS, World

KINDS_OF_ORDER = st.sampled_from(["good", "good", "expired", "unknown", "malformed", "refused", "mistaken"])


def refuse(body: Any, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    mark(body, tx, site, at, down)
    return Verdict("NOT_TODAY")


def stumble(body: Any, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    mark(body, tx, site, at, down)
    raise LookupError


def numbered(kinds: list[str]) -> list[Down]:
    changes: dict[str, dict[str, object]] = {
        "good": {},
        "expired": {"not_after_ms": WEDNESDAY_MS - 1},
        "unknown": {"kind": "coffee"},
        "malformed": {"body": RECALL | {"epoch": 0}},
        "refused": {"kind": "rotate", "body": {}},
        "mistaken": {"kind": "resend", "body": {"stream": "ledger", "from_seq": 1}},
    }
    return [order(seq, **changes[kind]) for seq, kind in enumerate(kinds, start=1)]


def opened(folder: Path) -> Orders:
    orders = Orders(World(folder / "station.db"))
    orders.handlers |= {"rotate": refuse, "resend": stumble}
    return orders


class PowerCut(Exception):
    pass


def cut_off(orders: Orders, down: Down) -> None:
    """The transaction ends before its commit, with everything already written in it."""

    def verb(tx: Transaction, at: Instant) -> Obeyed:
        orders.verb(down)(tx, at)
        raise PowerCut

    try:
        orders.run(verb)
    except PowerCut:
        return


def catch_up(orders: Orders, issued: list[Down]) -> None:
    """What HQ sends behind every hello: all that comes after the last number of the station's."""
    for down in issued[orders.last_seq :]:
        orders.give(down)


def end(orders: Orders) -> tuple[object, ...]:
    said = [item.partition(',"at_ms"') for item in orders.told()]
    return orders.verdicts(), orders.carried_out(), [(head, tail[1:]) for head, _, tail in said]


@settings(deadline=None, max_examples=60)
@given(st.lists(KINDS_OF_ORDER, max_size=8), st.data())
def test_any_delivery_ends_where_in_order_ends(kinds: list[str], data: st.DataObject) -> None:
    issued = numbered(kinds)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        in_order, anyhow = opened(Path(one)), opened(Path(other))
        with closing(in_order.world.store), closing(anyhow.world.store):
            catch_up(in_order, issued)
            if issued:
                deliveries = st.lists(st.tuples(st.sampled_from(issued), st.booleans()), max_size=30)
                for down, is_cut in data.draw(deliveries):
                    before = anyhow.last_seq
                    if is_cut:
                        cut_off(anyhow, down)
                        assert anyhow.last_seq == before
                    else:
                        obeyed = anyhow.give(down)
                        assert obeyed.ask_again == (down.down_seq > before + 1)
                        assert obeyed.consumed == (down.down_seq == before + 1)
            catch_up(anyhow, issued)
            assert end(anyhow) == end(in_order)
            assert set(anyhow.carried_out()) == {
                down.id for down, kind in zip(issued, kinds, strict=True) if kind == "good"
            }
            assert set(anyhow.carried_out().values()) <= {1}
            assert verify(anyhow.world.store._connection) == []
