"""HQ's own keys: a folder of key files by role, and the list that tells stations of the next ones.

A file is called `{role}.key` or `{role}-2.key` and so on. Version 1 is what stations pin; HQ keeps it in the
form of a list too, though it is never sent. Every later version is a document that the keys of the
version before and its own have signed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sync.hq.store import HqStore
from sync.keys import PublicKey, SigningKey, read_key, write_key
from sync.refusal import Refusal
from sync.trust import ROLES, KeyEntry, KeyList, Role, Trust, advance, pinned, sign_keys

Keys = Mapping[Role, tuple[SigningKey, ...]]

NOT_BEGUN = "KEYS_NOT_BEGUN"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the next list shall say. `overlap`: the present keys stay in it beside the new ones."""

    programme: str
    down_threshold: int
    documents_threshold: int
    overlap: bool


def make_keys(folder: Path, how_many: Mapping[Role, int]) -> Refusal | None:
    """New key files, mode 0600. Reason KEY_EXISTS. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for role, number in how_many.items():
        for n in range(1, number + 1):
            name = f"{role}.key" if n == 1 else f"{role}-{n}.key"
            refusal = write_key(folder / name, SigningKey.generate())
            if refusal:
                return refusal
    return None


def read_keys(folder: Path) -> Keys | Refusal:
    """The keys of a folder by role. Reasons: KEY_MISSING (no key at all), and those of `read_key`."""
    found: dict[Role, tuple[SigningKey, ...]] = {}
    for role in ROLES:
        keys = []
        for path in sorted([*folder.glob(f"{role}.key"), *folder.glob(f"{role}-*.key")]):
            key = read_key(path)
            if isinstance(key, Refusal):
                return key
            keys.append(key)
        if keys:
            found[role] = tuple(keys)
    if not found:
        return Refusal("KEY_MISSING", f"no key file in {folder}", "make them with `forecourt hq keys init`")
    return found


def record_pinned(store: HqStore, keys: Keys, wish: Wish, at_ms: int) -> bool:
    """Remember what stations pin, each key for everything. False if that was done before."""
    texts = sorted({key.public.text for of_role in keys.values() for key in of_role})
    said = {
        "programme": wish.programme,
        "pinned": texts,
        "down_threshold": wish.down_threshold,
        "documents_threshold": wish.documents_threshold,
    }
    with store.write() as tx:
        return tx.documents.add_key_list(1, json.dumps(said).encode(), at_ms)


def programme_of(store: HqStore) -> str:
    """The programme that the keys speak for; "" before there are any."""
    with store.read() as asked:
        lists = asked.documents.key_lists()
    return str(json.loads(lists[0][1])["programme"]) if lists else ""


def history(store: HqStore) -> list[Trust] | Refusal:
    """What stations trust, version by version from the pinned one on, each checked as a station does.

    Reasons: KEYS_NOT_BEGUN (nothing is recorded here yet), and those of `advance`.
    """
    with store.read() as asked:
        lists = asked.documents.key_lists()
    if not lists:
        return Refusal(NOT_BEGUN, "no keys are recorded here", "use `forecourt hq keys init`")
    programme = str(json.loads(lists[0][1])["programme"])
    versions = [_pinned(lists[0][1])]
    for _, document in lists[1:]:
        following = advance(versions[-1], document, programme)
        if isinstance(following, Refusal):
            return following
        versions.append(following)
    return versions


def rotate(store: HqStore, old: Keys, new: Keys, wish: Wish, at_ms: int) -> bytes | Refusal:
    """The next list, signed by both, checked as a station would, and kept for stations to be sent.

    A role without a new key keeps its old ones. Reasons: those of `history` and `advance`;
    ROTATION_ROLES (a role would have too few keys); KEYS_RACED (another list came first).
    """
    versions = history(store)
    if isinstance(versions, Refusal):
        return versions
    trust = versions[-1]
    listed = _listed(trust.version + 1, old, new, wish, at_ms)
    if isinstance(listed, Refusal):
        return listed
    signers = {key.public.raw: key for keys in (old, new) for key in keys.get("documents", ())}
    document = sign_keys(listed, *signers.values())
    following = advance(trust, document, wish.programme)
    if isinstance(following, Refusal):
        return following
    with store.write() as tx:
        if not tx.documents.add_key_list(listed.version, document, at_ms):
            return Refusal("KEYS_RACED", f"version {listed.version} came meanwhile", "look, then try again")
    return document


def _listed(version: int, old: Keys, new: Keys, wish: Wish, at_ms: int) -> KeyList | Refusal:
    roles: dict[str, list[Role]] = {}
    for role in ROLES:
        fresh, present = new.get(role, ()), old.get(role, ())
        for key in (*fresh, *(present if wish.overlap or not fresh else ())):
            roles.setdefault(key.public.text, []).append(role)
    try:
        return KeyList(
            schema="keys/1",
            programme=wish.programme,
            version=version,
            issued_at_ms=at_ms,
            keys=tuple(KeyEntry(key=text, roles=tuple(dict.fromkeys(of))) for text, of in roles.items()),
            down_threshold=wish.down_threshold,
            documents_threshold=wish.documents_threshold,
        )
    except ValueError as error:
        return Refusal("ROTATION_ROLES", str(error).splitlines()[-1].strip(), "give each role its keys")


def _pinned(document: bytes) -> Trust:
    said = json.loads(document)
    keys: Sequence[PublicKey | Refusal] = [PublicKey.from_text(text) for text in said["pinned"]]
    good = [key for key in keys if isinstance(key, PublicKey)]
    return pinned(good, said["down_threshold"], said["documents_threshold"])
