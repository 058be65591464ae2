"""Rule bundles: the bytes that were signed, the states of their life, the vectors of the active one."""

import hashlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from agent.points.rules import Bundle, BundleRefused, parse_bundle
from agent.points.soundness import objection
from agent.store.bundles import Bundles, StoredBundle
from agent.store.checks.finding import Finding
from agent.store.checks.outbox import Said

Known = dict[int, tuple[StoredBundle, Bundle]]
"""Every bundle whose bytes are sound, by version."""


def read_bundles(connection: sqlite3.Connection) -> tuple[Known, list[Finding]]:
    """I21: a version has one hash, that of its bytes, and they say what the columns say."""
    known: Known = {}
    findings = []
    for stored in Bundles(connection).all_rows():
        where = f"bundle {stored.bundle} {stored.version}"
        if hashlib.sha256(stored.body).digest() != stored.sha256:
            findings.append(Finding("BUNDLE_BYTES", where, "not the bytes that were signed"))
            continue
        parsed = parse_bundle(stored.body)
        if isinstance(parsed, BundleRefused):
            findings.append(Finding("BUNDLE_BYTES", where, f"{parsed.reason} at {parsed.where}"))
            continue
        columns = (stored.bundle, stored.version, stored.effective_from_ms)
        if columns != (parsed.bundle, parsed.version, parsed.effective_from_ms):
            findings.append(Finding("BUNDLE_BYTES", where, "its columns say something else than its bytes"))
        known[stored.version] = (stored, parsed)
    return known, findings


def check_bundles(known: Known, said: Said) -> Iterator[Finding]:
    """I7, I21: the active bundle is sound and reproduces its vectors; states are those that HQ was told."""
    active = [version for version, (stored, _) in known.items() if stored.state == "ACTIVE"]
    if len(active) > 1:
        yield Finding("BUNDLE_STATE", f"versions {active}", "more than one is ACTIVE")
    for version, (stored, bundle) in known.items():
        where = f"bundle {stored.bundle} {version}"
        if stored.state == "ACTIVE" and (refused := objection(bundle, stored.body.decode())):
            code = "BUNDLE_VECTORS" if refused.reason == "VECTOR_MISMATCH" else "BUNDLE_UNSOUND"
            yield Finding(code, where, f"{refused.where}: {refused.remedy}")
        for wrong in _states(stored, said):
            yield Finding("BUNDLE_STATE", where, wrong)
    for version in said.adopted.keys() - known.keys():
        yield Finding("BUNDLE_STATE", f"version {version}", "HQ was told of it, and it is not there")


def _states(stored: StoredBundle, said: Said) -> Iterator[str]:
    judges = stored.state in ("ACTIVE", "RETIRED")
    if (stored.in_force_from_ms is None) != (stored.activated_at_ms is None):
        yield "it is in force and was never activated, or the other way round"
    elif stored.state != "REJECTED" and judges != (stored.in_force_from_ms is not None):
        yield f"{stored.state} does not go with being in force"
    if stored.in_force_from_ms is not None and stored.in_force_from_ms < stored.effective_from_ms:
        yield "it is in force before it may be"
    if last := said.states.get(stored.version):
        yield from _said(stored, last)
    first_ms = said.activated_at_ms.get(stored.version)
    if first_ms is not None and said.everything("service") and first_ms != stored.activated_at_ms:
        yield f"activated at {stored.activated_at_ms}; HQ was told {first_ms}"
    adopted = said.adopted.get(stored.version)
    if adopted is not None:
        told = (adopted.get("name", ""), adopted.get("sha256"), adopted.get("at_ms"))
        if told != (stored.bundle, stored.sha256.hex(), stored.received_at_ms):
            yield "HQ was told of other bytes or another time"


def _said(stored: StoredBundle, last: dict[str, Any]) -> Iterator[str]:
    told = (last.get("bundle"), last.get("state"), last.get("reason", ""), last.get("at_ms"))
    if told != (stored.bundle, stored.state, stored.reason, stored.state_at_ms):
        yield f"{stored.state} {stored.reason}; HQ was told {last.get('state')} {last.get('reason', '')}"
