"""`forecourt rules status`: the bundles of this station, which judge, which wait, and how they do."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agent.cli.render import as_json, moment, pairs, table
from agent.cli.station import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    database_of,
    database_path,
    settings_of,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.points.rules import Bundle
    from agent.store.bundles import GuardFigures, Rollout, ShadowFigures, StoredBundle
    from agent.store.reading import Connection


@dataclass(frozen=True, slots=True)
class Staged:
    """The candidate's rollout: `percent` of the stations take it, this one if `bucket_no` is below that."""

    rollout: str
    percent: int
    bucket_no: int
    shadow_sales: int

    @property
    def includes_us(self) -> bool:
        return self.bucket_no < self.percent


@dataclass(frozen=True, slots=True)
class Slots:
    """Both slots and the candidate, with the figures that decide about them."""

    every: "tuple[StoredBundle, ...]"
    active: "StoredBundle | None"
    previous_good: "StoredBundle | None"
    candidate: "StoredBundle | None"
    guard: "GuardFigures | None"
    shadow: "ShadowFigures | None"
    staged: Staged | None
    points_scale: int

    def role(self, stored: "StoredBundle") -> str:
        roles = {"active": self.active, "previous good": self.previous_good, "candidate": self.candidate}
        return next((name for name, one in roles.items() if one == stored), "")


def status(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """The active bundle, the one to go back to, and the candidate with its shadow figures and rollout."""
    from zoneinfo import ZoneInfo

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        slots = slots_of(connection, settings.station.id)
    if json_output:
        as_json({"ok": True, **_values(slots)})
        return
    if not slots.every:
        typer.echo("no bundle has come yet; `forecourt load FILE` hands one to the agent")
        return
    zone = ZoneInfo(settings.station.timezone)
    table(
        ("version", "bundle", "slot", "state", "since", "in force from", "why"),
        (
            (
                *(stored.version, stored.bundle, slots.role(stored), stored.state),
                moment(stored.state_at_ms, zone),
                _at(stored.in_force_from_ms, zone),
                stored.reason,
            )
            for stored in reversed(slots.every)
        ),
    )
    _print_figures(slots)


def standing(config: Path, *, json_output: bool = False) -> dict[str, int | None] | None:
    """The versions in the slots of the station of `config`; None where there is no station."""
    if not config.exists():
        return None
    settings = settings_of(config, json_output=json_output)
    if not database_path(settings).exists():
        return None
    with database_of(settings, json_output=json_output) as connection:
        slots = slots_of(connection, settings.station.id)
    held = {"active": slots.active, "previous good": slots.previous_good, "candidate": slots.candidate}
    return {name: stored.version if stored else None for name, stored in held.items()}


def slots_of(connection: "Connection", station: str) -> Slots:
    from agent.store.bundles import Bundles

    bundles = Bundles(connection)
    every = tuple(bundles.all_rows())
    active = bundles.active()
    waiting = bundles.candidate()
    newest = bundles.parsed(every[-1].version) if every else None
    return Slots(
        every=every,
        active=active,
        previous_good=bundles.previous_good(),
        candidate=bundles.get(waiting.version) if waiting else None,
        guard=bundles.guard(active.version) if active else None,
        shadow=bundles.shadow(waiting.version) if waiting else None,
        staged=_staged(waiting, bundles.rollout_of(waiting.version), station) if waiting else None,
        points_scale=newest.points_scale if newest else 1,
    )


def _staged(candidate: "Bundle", word: "Rollout | None", station: str) -> Staged | None:
    """HQ's newest word on this very version, else what the bundle begins with; None: no staging."""
    from agent.messages.rollout import bucket

    begins = candidate.rollout
    if begins is None:
        return None
    spoken = word is not None and word.rollout == begins.id
    percent = word.percent if spoken and word else begins.percent
    return Staged(begins.id, percent, bucket(station, begins.id), begins.shadow_sales)


def _print_figures(slots: Slots) -> None:
    from agent.points.explanation import points_text

    if slots.guard is not None and slots.active is not None:
        typer.echo(f"\nversion {slots.active.version} since it is active")
        guard = slots.guard
        pairs(
            {
                "sales judged": guard.sales,
                "earned nothing, and nobody decided so": guard.declined,
                "could not be computed again": guard.mismatched,
                "crashes": guard.crashes,
            }
        )
    if slots.shadow is not None and slots.candidate is not None:
        typer.echo(f"\nversion {slots.candidate.version}, judged beside it")
        shadow = slots.shadow
        candidate, active = (
            points_text(minor, slots.points_scale) for minor in (shadow.candidate_minor, shadow.active_minor)
        )
        pairs(
            {
                "sales judged": shadow.sales,
                "would earn more": shadow.more,
                "would earn fewer": shadow.fewer,
                "points": f"{candidate} instead of {active}",
                "rollout": _rollout(slots.staged),
            }
        )


def _rollout(staged: Staged | None) -> str:
    if staged is None:
        return "none: it becomes active when its day has come"
    ours = "this one too" if staged.includes_us else "not yet this one"
    return (
        f"{staged.rollout}: {staged.percent} % of the stations, {ours} (number {staged.bucket_no} of 0-99); "
        f"after {staged.shadow_sales} sales judged"
    )


def _at(at_ms: int | None, zone: "tzinfo") -> str | None:
    return None if at_ms is None else moment(at_ms, zone)


def _values(slots: Slots) -> dict[str, object]:
    def plain(stored: "StoredBundle") -> dict[str, object]:
        values = asdict(stored)
        del values["body"]
        return values | {"sha256": stored.sha256.hex(), "slot": slots.role(stored)}

    staged = slots.staged
    return {
        "bundles": [plain(stored) for stored in slots.every],
        "guard": asdict(slots.guard) if slots.guard else None,
        "shadow": asdict(slots.shadow) if slots.shadow else None,
        "rollout": asdict(staged) | {"includes_us": staged.includes_us} if staged else None,
    }
