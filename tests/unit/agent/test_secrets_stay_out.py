"""Unit: is what a member showed nowhere on the disk, in no table, page, log or free space?"""

from pathlib import Path

import pytest

from drivers.events import BasketLine, Credential, CredentialKind
from tests.world import World

PAN = "6225880137060000009"
SHOWN = {
    CredentialKind.CARD: "SECRETCARD77",
    CredentialKind.PHONE_CODE: "13800138000",
    CredentialKind.PLATE: "沪A9Z8Y7",
    CredentialKind.TAG: "E2801160BEEF",
}


def traffic(world: World) -> None:
    """Everything that can carry a credential, answered and refused, with known and unknown members."""
    shown = [Credential(kind, value) for kind, value in SHOWN.items()]
    hashes = [world.hash(credential) for credential in shown[:2]]
    world.adopt_members(2, {"member": "m-1", "tier": "gold", "credentials": hashes})
    for number, credential in enumerate([*shown, Credential(CredentialKind.CARD, PAN)]):
        world.present(credential)
        fuelling = world.fuel(50_000, credential=credential)
        world.pay(f"R-{number}", fuelling.amount_fen, credential=credential)
        world.pay(
            f"S-{number}", 0, point=None, credential=credential, lines=(BasketLine("coffee", 1_000, 1_500),)
        )
        second = world.fuel(20_000)
        world.pay(f"T-{number}", second.amount_fen)
        world.identify(f"T-{number}", credential)
        world.identify(f"R-{number}", credential)
        world.refund(f"F-{number}", f"R-{number}", 100)
        world.present(credential, "no such point")


def files(world: World) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in world.path.parent.iterdir()}


def spellings(value: str) -> list[bytes]:
    spaced = " ".join(value)
    return [
        text.encode(code)
        for text in (value, value.lower(), spaced)
        for code in ("utf-8", "utf-16-le", "gb18030")
    ]


@pytest.mark.parametrize("value", [*SHOWN.values(), PAN, PAN[:12], PAN[-12:]])
def test_no_raw_credential_is_in_any_byte_on_the_disk(world: World, value: str) -> None:
    traffic(world)
    before = files(world)
    assert any(name.endswith("-wal") and content for name, content in before.items())
    world.store.close()
    after = files(world)
    world.store = World(world.path).store
    for name, content in [*before.items(), *after.items()]:
        for spelling in spellings(value):
            assert spelling not in content, name


def test_the_search_can_find_something(world: World, tmp_path: Path) -> None:
    """The same search finds what does belong there: the hash, the POS's sale id."""
    traffic(world)
    content = b"".join(files(world).values())
    assert world.hash(Credential(CredentialKind.CARD, SHOWN[CredentialKind.CARD])).encode() in content
    assert b"T-3" in content


def test_no_table_holds_a_raw_credential(world: World) -> None:
    """points.md 9 item 15: dump every table of the traffic."""
    traffic(world)
    tables = [name for (name,) in world.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) >= 20
    dump = "\n".join(repr(row) for table in tables for row in world.rows(f"SELECT * FROM {table}"))
    for value in (*SHOWN.values(), PAN):
        assert value not in dump
    assert world.count("fact") == 14  # ten fuellings, four baskets: the payment card paid for none


def test_only_keyed_hashes_stand_in_credential_columns(world: World) -> None:
    traffic(world)
    for table in ("fact", "pos_sale", "binding", "presentation", "credential"):
        for (credential,) in world.rows(f"SELECT DISTINCT credential FROM {table}"):
            assert credential == "" or (str(credential).startswith("k1:") and len(str(credential)) == 25)
