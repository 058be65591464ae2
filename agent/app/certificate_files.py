"""The station's own TLS files in its state directory: in use, on trial, and asked for, at most one each.

`tls.pem` and `tls.next.pem` each hold a private key and its certificate chain in one file, so that one
rename changes both. `tls.next.key` is a key whose certificate was asked for. Every file is 0600, on
disk before a function returns, and never leaves this machine.
"""

import os
from pathlib import Path

from sync.certificates import make_key

IN_USE, ON_TRIAL, ASKED_FOR = "tls.pem", "tls.next.pem", "tls.next.key"


class CertificateFiles:
    """`state_dir` is there. Times are the caller's, kept as the files' modification times.

    What writes raises `OSError` when the disk does not take it, and leaves the former file whole.
    """

    def __init__(self, state_dir: Path) -> None:
        self.in_use = state_dir / IN_USE
        self.on_trial = state_dir / ON_TRIAL
        self._asked_for = state_dir / ASKED_FOR

    def pending_key(self) -> bytes | None:
        """The key that a certificate was asked for, PEM; None when nothing is awaited."""
        return _read(self._asked_for)

    def key_to_ask_for(self, wall_ms: int) -> bytes:
        """The pending key, a new one if there is none; from now on it was last asked for at `wall_ms`."""
        key = self.pending_key()
        if key is None:
            key = make_key()
            _write(self._asked_for, key)
        os.utime(self._asked_for, ns=(wall_ms * 1_000_000,) * 2)
        return key

    def newest(self) -> bytes | None:
        """Key and chain that came last: on trial, else in use; None before the first."""
        return _read(self.on_trial) or _read(self.in_use)

    def last_step_ms(self) -> int | None:
        """When a certificate was last asked for, or came; None if neither is under way."""
        steps = [_changed_at_ms(path) for path in (self._asked_for, self.on_trial)]
        return max((at for at in steps if at is not None), default=None)

    def put_on_trial(self, chain: bytes, wall_ms: int) -> None:
        """The answer for the pending key has come: the next connection tries it."""
        key = self.pending_key()
        assert key is not None, "it was checked against this key"
        _write(self.on_trial, key.rstrip() + b"\n" + chain)
        os.utime(self.on_trial, ns=(wall_ms * 1_000_000,) * 2)
        self._asked_for.unlink()
        _sync_folder(self.on_trial.parent)

    def keep(self) -> None:
        """The one on trial has connected: the former one is not needed any more."""
        os.replace(self.on_trial, self.in_use)
        _sync_folder(self.in_use.parent)


def _read(path: Path) -> bytes | None:
    """None also for a file that only another user may read: it is as good as not there."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, PermissionError):
        return None


def _write(path: Path, content: bytes) -> None:
    """Whole and on disk, or not at all."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    os.replace(draft, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _changed_at_ms(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except FileNotFoundError:
        return None
