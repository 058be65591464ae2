"""A disk under SQLite that remembers every single operation, so that power can be cut after any of them.

Debian's python3-apsw shares libsqlite3 with Python's sqlite3: a VFS that it registers is seen by
`sqlite3.connect("file:…?vfs=power", uri=True)`, so the real store runs on it (decisions.md 12). The
script runs once and is written down; a program whose power is cut at operation n has done exactly
the first n operations of the uncut one, so every cut is made from the recording.

What a cut leaves of what was not synced is chosen by a seed: nothing, a prefix, a subset or all of
each file's operations, writes torn by 512-byte sector. A creation or deletion is durable only
when its file is synced, or its directory with the deletion: the strict POSIX reading.
"""

import importlib.machinery
import importlib.util
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

SECTOR = 512
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"


def load_apsw() -> ModuleType:
    """Debian's apsw; it must drive the very SQLite that Python's sqlite3 drives."""
    spec = importlib.machinery.PathFinder.find_spec("apsw", [DEBIAN_PACKAGES])
    assert spec is not None, "missing: apt-get install python3-apsw"
    assert spec.loader is not None
    apsw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(apsw)
    assert apsw.sqlitelibversion() == sqlite3.sqlite_version, "not the SQLite of Python's sqlite3"
    return apsw


@dataclass(frozen=True, slots=True)
class Operation:
    """kind: create, write (`data` at `offset`), truncate (to `offset`), sync, delete, delete-synced."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


@dataclass
class Recorder:
    """What the disk was told, in order. `fail` is asked before every operation and may raise."""

    operations: list[Operation] = field(default_factory=list)
    fail: Callable[[Operation], None] = lambda operation: None

    def note(self, operation: Operation) -> None:
        self.fail(operation)
        self.operations.append(operation)

    def count(self, kind: str) -> int:
        return sum(operation.kind == kind for operation in self.operations)


def register(apsw: Any, recorder: Recorder, name: str) -> Any:
    """Make SQLite know the VFS `name`, which writes to the real disk and into `recorder`."""

    class File(apsw.VFSFile):  # type: ignore[misc]
        def __init__(self, path: Any, flags: list[int]) -> None:
            self.path = Path(path.filename() if hasattr(path, "filename") else path or "")
            is_new = not self.path.exists()
            super().__init__("", path, flags)
            if is_new:
                recorder.note(Operation("create", self.path.name))

        def xWrite(self, data: bytes, offset: int) -> None:
            recorder.note(Operation("write", self.path.name, offset, bytes(data)))
            super().xWrite(data, offset)

        def xTruncate(self, size: int) -> None:
            recorder.note(Operation("truncate", self.path.name, size))
            super().xTruncate(size)

        def xSync(self, flags: int) -> None:
            recorder.note(Operation("sync", self.path.name))

        def xSectorSize(self) -> int:
            return SECTOR

        def xDeviceCharacteristics(self) -> int:
            return 0

    class Vfs(apsw.VFS):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name, "")

        def xOpen(self, path: Any, flags: list[int]) -> File:
            return File(path, flags)

        def xDelete(self, path: str, sync_directory: bool) -> None:
            recorder.note(Operation("delete-synced" if sync_directory else "delete", Path(path).name))
            super().xDelete(path, sync_directory)

    return Vfs()


Files = dict[str, bytearray]


class Platter:
    """What is safely on the disk and what is only on its way, after each operation of a recording."""

    def __init__(self, *, lies: bool = False) -> None:
        """`lies`: a disk that answers a sync and does nothing, for a control that must fail."""
        self.safe: Files = {}
        self.on_the_way: dict[str, list[Operation]] = {}
        self._lies = lies

    def take(self, operation: Operation) -> None:
        if operation.kind == "sync":
            self._settle(operation.file)
            return
        self.on_the_way.setdefault(operation.file, []).append(operation)
        if operation.kind == "delete-synced":
            self._settle(operation.file)

    def _settle(self, file: str) -> None:
        if not self._lies:
            for operation in self.on_the_way.pop(file, []):
                _apply(self.safe, operation)

    def after_cut(self, chance: random.Random) -> Files:
        """The files that the next boot finds."""
        files = dict(self.safe)
        for file, operations in self.on_the_way.items():
            how = chance.choice(("none", "prefix", "subset", "all"))
            if how == "none":
                continue
            if file in files:
                files[file] = bytearray(files[file])
            stop = chance.randrange(len(operations) + 1) if how == "prefix" else len(operations)
            for operation in operations[:stop]:
                if how == "subset" and chance.random() < 0.5:
                    continue
                torn = operation.kind == "write" and chance.random() < 0.5
                for part in _torn(operation, chance) if torn else (operation,):
                    _apply(files, part)
        return files


def _torn(operation: Operation, chance: random.Random) -> list[Operation]:
    """The sectors of a write that reached the platter."""
    parts, position = [], 0
    while position < len(operation.data):
        offset = operation.offset + position
        length = min(SECTOR - offset % SECTOR, len(operation.data) - position)
        if chance.random() < 0.5:
            data = operation.data[position : position + length]
            parts.append(Operation("write", operation.file, offset, data))
        position += length
    return parts


def _apply(files: Files, operation: Operation) -> None:
    if operation.kind.startswith("delete"):
        files.pop(operation.file, None)
        return
    content = files.setdefault(operation.file, bytearray())
    if operation.kind == "write":
        end = operation.offset + len(operation.data)
        content.extend(bytes(max(0, end - len(content))))
        content[operation.offset : end] = operation.data
    elif operation.kind == "truncate":
        del content[operation.offset :]
        content.extend(bytes(operation.offset - len(content)))
