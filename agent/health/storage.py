"""The database and its disk."""

import os
from pathlib import Path

from agent.health.findings import Finding, Part, doubt, failure, fine
from agent.store.integrity import Finding as Broken
from agent.store.reading import WAL_RESET_BUG

FINDINGS_SHOWN = 3


def sqlite(version: tuple[int, int, int]) -> Finding:
    """Versions with the WAL-reset bug are safe here and only here: one process writes (libraries.md 7)."""
    text = ".".join(map(str, version))
    first, last = WAL_RESET_BUG
    if first <= version <= last:
        evidence = f"SQLite {text} can corrupt a WAL that two connections reset at once"
        return doubt(Part.STORE, "SQLite", "SQLITE_WAL_RESET", evidence)
    return fine(Part.STORE, "SQLite", f"version {text}")


def free_disk(state_dir: Path, least_mib: int) -> Finding:
    """Free space where the database lives, against `store.min_free_mib`. The directory exists."""
    disk = os.statvfs(state_dir)
    free_mib = disk.f_bavail * disk.f_frsize // (1 << 20)
    evidence = f"{free_mib} MiB free in {state_dir}, at least {least_mib} wanted"
    if free_mib < least_mib:
        return failure(Part.STORE, "free disk", "DISK_LOW", evidence)
    return fine(Part.STORE, "free disk", evidence)


def chain(broken: list[Broken], facts: int) -> Finding:
    """What `agent.store.integrity.verify` found."""
    if not broken:
        return fine(Part.STORE, "database", f"every promise holds, {facts} facts")
    shown = "; ".join(f"{b.code} {b.where}: {b.detail}" for b in broken[:FINDINGS_SHOWN])
    more = f"; {len(broken) - FINDINGS_SHOWN} more" if len(broken) > FINDINGS_SHOWN else ""
    return failure(Part.STORE, "database", "CHAIN_BROKEN", shown + more)
