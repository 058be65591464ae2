"""The folder of a small authority: its key, what it issued, what it took back. A broker reads it as it is.

`ca.pem`, `ca.key`, `revoked.pem`, `broker.pem`, `broker.key`, `hq.pem`, `hq.key`: so samples/mosquitto.conf
names them. A copy of every station's certificate is in `issued/`, so that they can be taken back by name.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sync import authority
from sync.authority import Authority
from sync.certificates import Identity, read_identity
from sync.refusal import Refusal


class AuthorityFolder:
    """Use `create` or `open`."""

    def __init__(self, folder: Path, signer: Authority) -> None:
        self._folder = folder
        self._signer = signer

    @classmethod
    def create(cls, folder: Path, name: str, wall_ms: int) -> "AuthorityFolder | Refusal":
        """A new authority with an empty list of what was taken back. Reason AUTHORITY_EXISTS."""
        if (folder / "ca.key").exists():
            return Refusal(
                "AUTHORITY_EXISTS", str(folder), "stations trust that one: use it, or another folder"
            )
        (folder / "issued").mkdir(parents=True, exist_ok=True)
        signer = authority.found_authority(name, wall_ms)
        _write(folder / "ca.pem", signer.certificate, 0o644)
        _write(folder / "revoked.pem", authority.revoke(signer, b"", (), wall_ms), 0o644)
        _write(folder / "ca.key", signer.key, 0o600)
        return cls(folder, signer)

    @classmethod
    def open(cls, folder: Path) -> "AuthorityFolder | Refusal":
        """Reason AUTHORITY_MISSING."""
        try:
            signer = Authority((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())
        except OSError as error:
            detail = f"{error.filename}: {error.strerror}"
            return Refusal("AUTHORITY_MISSING", detail, "make one with `forecourt hq ca init`")
        return cls(folder, signer)

    def sign(
        self,
        request_pem: bytes,
        is_known: Callable[[str], bool],
        wall_ms: int,
        days: int = authority.STATION_DAYS,
    ) -> bytes | Refusal:
        """A station's certificate, kept in `issued/` before it is given out. Reasons: see `sign_request`."""
        signed = authority.sign_request(self._signer, request_pem, is_known, wall_ms, days)
        if isinstance(signed, Refusal):
            return signed
        identity = read_identity(signed)
        assert isinstance(identity, Identity)
        _write(self._folder / "issued" / f"{identity.station}@{identity.serial:x}.pem", signed, 0o644)
        return signed

    def issue_broker(self, hosts: Sequence[str], wall_ms: int) -> None:
        """`broker.pem` and `broker.key`, in place of former ones."""
        self._pair("broker", *authority.issue_broker(self._signer, hosts, wall_ms))

    def issue_hq(self, wall_ms: int) -> None:
        """`hq.pem` and `hq.key`, in place of former ones."""
        self._pair("hq", *authority.issue_hq(self._signer, wall_ms))

    def revoke(self, station: str, wall_ms: int) -> int:
        """Take back every certificate that a station was ever given; how many there were."""
        issued = [
            path.read_bytes()
            for path in sorted((self._folder / "issued").iterdir())
            if path.name.rpartition("@")[0] == station
        ]
        path = self._folder / "revoked.pem"
        _write(path, authority.revoke(self._signer, path.read_bytes(), issued, wall_ms), 0o644)
        return len(issued)

    def _pair(self, name: str, certificate: bytes, key: bytes) -> None:
        _write(self._folder / f"{name}.key", key, 0o600)
        _write(self._folder / f"{name}.pem", certificate, 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all; a key is never readable by others, not even for a moment."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
