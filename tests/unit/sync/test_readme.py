"""Unit: is the worked example in sync/README.md true?"""

import base64
from pathlib import Path

import sync
from sync.envelope import GENESIS, Header, encode_head, leaf, next_head
from sync.keys import SigningKey

README = (Path(sync.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_worked_example() -> None:
    key = SigningKey(bytes(range(32)))
    item = b'{"kind":"fuelling","n":1}'
    header = Header(
        station="cn-0001", epoch=1, stream="ledger", first_seq=1, count=1, head_before=encode_head(GENESIS)
    )
    signed = header.model_dump_json().encode() + b"\n" + item + b"\n"
    for line in (
        f"item        {item.decode()}",
        f"leaf        {leaf(item).hex()}",
        f"head after  {encode_head(next_head(GENESIS, item))}",
        f"header      {header.model_dump_json()}",
        f"signature   {base64.b64encode(key.sign(b'forecourt/envelope/1' + bytes([10]) + signed)).decode()}",
    ):
        assert f"\n{line}\n" in README
    assert f"`{key.public.text}`" in README
