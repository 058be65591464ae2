"""Ed25519 keys: the station's own, and the public ones that are pinned. Text is base64url without padding.

A private key is a 32-byte seed; on disk it is one line of text in a file that only its user can read.
"""

import base64
import binascii
import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync.refusal import Refusal


class PublicKey:
    """Verifies. Two are equal when their 32 bytes are."""

    def __init__(self, raw: bytes) -> None:
        assert len(raw) == 32
        self.raw = raw
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    @classmethod
    def from_text(cls, text: str) -> "PublicKey | Refusal":
        """Reason KEY_UNREADABLE."""
        raw = _decode(text)
        if raw is None:
            return Refusal(
                "KEY_UNREADABLE", "not 32 bytes of base64url", "copy it from `forecourt keys show` again"
            )
        return cls(raw)

    @property
    def text(self) -> str:
        return _encode(self.raw)

    @property
    def key_id(self) -> str:
        """First 8 bytes of SHA-256 of the key, hex. Derived, so one key never counts under two names."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def verify(self, data: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.text})"


class SigningKey:
    """Signs. Its repr shows the public half only."""

    def __init__(self, seed: bytes) -> None:
        assert len(seed) == 32
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_text(cls, text: str) -> "SigningKey | Refusal":
        """The text of a key file or of a systemd credential. Reason KEY_UNREADABLE."""
        seed = _decode(text.strip())
        if seed is None:
            return Refusal(
                "KEY_UNREADABLE", "not 32 bytes of base64url", "make one with `forecourt keys init`"
            )
        return cls(seed)

    @property
    def seed(self) -> bytes:
        """The secret itself, 32 bytes."""
        return self._key.private_bytes_raw()

    @property
    def secret_text(self) -> str:
        return _encode(self.seed)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.text})"


def write_key(path: Path, key: SigningKey) -> Refusal | None:
    """A new file, mode 0600, on disk before this returns; an existing one is never replaced (KEY_EXISTS)."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Refusal(
            "KEY_EXISTS", str(path), "move the old key away first; HQ must learn the new public key"
        )
    with os.fdopen(fd, "w") as file:
        file.write(key.secret_text + "\n")
        file.flush()
        os.fsync(fd)
    _sync_folder(path.parent)
    return None


def read_key(path: Path) -> SigningKey | Refusal:
    """Reasons: KEY_MISSING, KEY_FORBIDDEN, KEY_EXPOSED (readable by others), KEY_UNREADABLE."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(200)
    except FileNotFoundError:
        return Refusal("KEY_MISSING", str(path), "make one with `forecourt keys init`")
    except PermissionError:
        return Refusal("KEY_FORBIDDEN", str(path), "run as the user that owns the key")
    if stat.S_IMODE(mode) & 0o077:
        return Refusal("KEY_EXPOSED", f"{path} has mode {stat.S_IMODE(mode):04o}", f"chmod 600 {path}")
    return SigningKey.from_text(content.decode("ascii", "replace"))


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on disk only after its folder is."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    """The 32 bytes; None for anything but their one spelling, so that one key has one text."""
    if len(text) != 43:
        return None
    try:
        raw = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _encode(raw) == text else None
