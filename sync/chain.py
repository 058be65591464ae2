"""The one way this project chains hashes: the outbox streams and the ledger alike (decisions.md 6).

leaf = SHA-256(0x00 ‖ bytes), head = SHA-256(0x01 ‖ head before ‖ leaf). The prefixes keep a leaf from ever
being taken for a head. What is hashed is the bytes as stored, so nothing is rebuilt to check them.
"""

import hashlib

GENESIS = bytes(32)
"""The head before the first item."""


def leaf(body: bytes) -> bytes:
    """SHA-256(0x00 ‖ body)."""
    return hashlib.sha256(b"\x00" + body).digest()


def next_head(head: bytes, body: bytes) -> bytes:
    """The head after `body`: SHA-256(0x01 ‖ head ‖ leaf(body))."""
    return next_head_of_leaf(head, leaf(body))


def next_head_of_leaf(head: bytes, body_leaf: bytes) -> bytes:
    """The same for whoever holds the leaf of the body: SHA-256(0x01 ‖ head ‖ leaf)."""
    assert len(head) == len(body_leaf) == 32
    return hashlib.sha256(b"\x01" + head + body_leaf).digest()
