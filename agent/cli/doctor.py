"""`forecourt doctor`: looks at everything a station needs and says what to do about what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, ask, database_path, trouble_with

if TYPE_CHECKING:
    from agent.app import Parts
    from agent.cli.configuration import Examined
    from agent.health.findings import Finding
    from config.settings import Settings
    from sync.tls import TlsFiles

Status = Mapping[str, Any]


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    no_publish: Annotated[bool, typer.Option("--no-publish", help="Send no message to the broker.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Examine package, settings, ports, clock, database, disk, broker and headquarters.

    Exit code by the worst failure: 4 database or disk, 3 a device, 5 headquarters, 1 anything else.
    """
    from agent.health.findings import Part, worst_part

    findings = _examine(config, publish=not no_publish)
    part = worst_part(findings)
    exits = {
        None: Exit.FINE,
        Part.STORE: Exit.STORE,
        Part.DEVICE: Exit.DEVICE,
        Part.HQ: Exit.HQ,
        Part.STATION: Exit.REFUSED,
    }
    if json_output:
        as_json({"ok": part is None, "exit": int(exits[part]), "findings": [_plain(f) for f in findings]})
    else:
        _print(findings)
    if part is not None:
        raise typer.Exit(exits[part])


def _examine(config: Path, *, publish: bool) -> list["Finding"]:
    from agent.cli.configuration import examine
    from agent.health.names import package_names

    examined = examine(config)
    findings = [package_names(), *_configuration(config, examined)]
    if examined.settings is not None:
        findings += _Visit(examined.settings, examined.parts).findings(publish=publish)
    return findings


def _configuration(config: Path, examined: "Examined") -> list["Finding"]:
    from agent.health.findings import Part, doubt, failure, fine

    findings = [
        failure(Part.STATION, "settings", trouble.code, trouble.text, trouble.remedy)
        for trouble in examined.troubles
    ]
    findings += [doubt(Part.STATION, "secrets", "SECRET_UNSEEN", note) for note in examined.notes]
    return findings if examined.troubles else [fine(Part.STATION, "settings", str(config)), *findings]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the database says of itself."""

    summary: Status
    newest_ms: int
    chain: "Finding"


class _Visit:
    """One look at a station whose settings load. `parts` None: it cannot start, its ports stay closed."""

    def __init__(self, settings: "Settings", parts: "Parts | None") -> None:
        from agent.clock import SystemClock

        self._settings = settings
        self._parts = parts
        self._clock = SystemClock()
        self._socket_forbidden = False

    def findings(self, *, publish: bool) -> list["Finding"]:
        from agent.health.findings import Finding

        agent, status = self._agent()
        kept = self._kept(agent_runs=status is not None)
        database = [kept] if isinstance(kept, Finding) else [kept.chain]
        held = None if isinstance(kept, Finding) else kept
        return [
            agent,
            *self._lines(status),
            self._time(status, held),
            *self._disk(),
            *database,
            *self._road(status, held, publish=publish),
        ]

    def _agent(self) -> tuple["Finding", Status | None]:
        from agent.health.station import agent_process, socket_is_closed_to_us

        path = self._settings.station.control_socket
        if (forbidden := socket_is_closed_to_us(path)) is not None:
            self._socket_forbidden = True
            return forbidden, None
        status = ask(path, {"verb": "status"})
        return agent_process(status, path), status

    def _lines(self, status: Status | None) -> list["Finding"]:
        from functools import partial

        from agent.app import port_spec
        from agent.health import lines
        from agent.identity import jitter_source
        from drivers.ports import open_port

        if self._parts is None or self._socket_forbidden:
            return []  # nothing to speak with; or an agent that we cannot ask may hold the ports
        listening = self._parts.listening_lines
        if status is not None:
            return lines.from_status(status["lines"], self._parts.pos_lines, listening)
        wires = [
            lines.Wire(
                name=line.name,
                port=line.port,
                open_port=partial(open_port, port_spec(line, listens=line.name in listening)),
                session=self._parts.sessions[line.name],
                addresses=tuple(device.address for device in line.device),
                is_pos=line.name in self._parts.pos_lines,
                listens=line.name in listening,
            )
            for line in self._settings.line
        ]
        return lines.by_listening(wires, self._clock.monotonic_ms, jitter_source())

    def _kept(self, *, agent_runs: bool) -> "_Kept | Finding":
        from agent.health.findings import Part, doubt, failure
        from agent.health.storage import chain
        from agent.store import integrity, reading

        path = database_path(self._settings)
        try:
            with reading.look(path, agent_runs=agent_runs) as connection:
                summary = reading.summary(connection, self._clock.wall_ms())
                broken = integrity.verify(connection)
                newest_ms = reading.newest_at_ms(connection)
        except reading.NoDatabase as error:
            code, text = trouble_with(path, error)
            if code == "DATABASE_MISSING":
                return doubt(Part.STORE, "database", code, text.partition(";")[0])
            evidence, _, remedy = text.rpartition("; ")
            return failure(Part.STORE, "database", code, evidence, remedy)
        return _Kept(summary, newest_ms, chain(broken, int(str(summary["facts"]))))

    def _time(self, status: Status | None, kept: _Kept | None) -> "Finding":
        from agent.clock import ClockQuality
        from agent.health.timekeeping import clock

        newest_ms = kept.newest_ms if kept else 0
        own = self._clock.quality(newest_ms)
        quality = ClockQuality(status["clock"]) if status else own
        road = status["road"] if status else None
        return clock(quality, self._clock.wall_ms(), newest_ms, road["hq_clock_offset_ms"] if road else None)

    def _disk(self) -> list["Finding"]:
        from agent.health.storage import free_disk, sqlite
        from agent.store.reading import sqlite_version

        state_dir = self._settings.station.state_dir
        where = next(path for path in (state_dir, *state_dir.parents) if path.exists())
        return [sqlite(sqlite_version()), free_disk(where, self._settings.store.min_free_mib)]

    def _road(self, status: Status | None, kept: _Kept | None, *, publish: bool) -> list["Finding"]:
        from agent.health import acknowledgement
        from agent.health.broker import broker
        from sync.tls import BrokerAddress, parse_broker

        hq, now_ms = self._settings.hq, self._clock.wall_ms()
        files, is_sure = self._tls_files(), self._clock_is_sure(status, kept)
        addresses = [parse_broker(url) for url in hq.brokers]
        findings = [
            finding
            for address in addresses
            if isinstance(address, BrokerAddress)
            for finding in broker(
                address,
                files,
                self._settings.station.id,
                self._clock.monotonic_ms,
                now_ms,
                publish=publish,
                clock_is_sure=is_sure,
            )
        ]
        if status is not None:
            return [*findings, acknowledgement.from_status(status["road"], status["queues"])]
        if kept is not None:
            return [*findings, acknowledgement.from_database(kept.summary["queues"], now_ms)]
        return findings

    def _tls_files(self) -> "TlsFiles":
        """What the agent's next connection would show: what is on trial before what is in use."""
        from agent.app.certificate_files import CertificateFiles
        from sync.tls import TlsFiles

        hq, own = self._settings.hq, CertificateFiles(self._settings.station.state_dir)
        for path in (own.on_trial, own.in_use):
            if hq.cert_file is None and path.exists():
                return TlsFiles(hq.ca_file, path)
        return TlsFiles(hq.ca_file, hq.cert_file, hq.key_file)

    def _clock_is_sure(self, status: Status | None, kept: _Kept | None) -> bool:
        from agent.clock import ClockQuality

        own = self._clock.quality(kept.newest_ms if kept else 0)
        return ClockQuality.SYNCED in (own, ClockQuality(status["clock"]) if status else own)


def _plain(finding: "Finding") -> dict[str, str]:
    from dataclasses import asdict

    return asdict(finding)


def _print(findings: list["Finding"]) -> None:
    from agent.health.findings import Level

    marks = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL"}
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        code = f"{finding.code}: " if finding.code else ""
        typer.echo(f"{marks[finding.level]}  {finding.name:<{width}}  {code}{finding.evidence}")
        if finding.remedy:
            typer.echo(f"{'':<{width + 6}}  -> {finding.remedy}")
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    typer.echo(f"{counts[Level.OK]} fine, {counts[Level.WARN]} warnings, {counts[Level.FAIL]} failures")
