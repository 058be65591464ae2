"""`forecourt rules`: the rules in plain sentences, their life at this station, what others would change."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json
from agent.cli.rule_source import in_force, named_source, read
from agent.cli.rules_backtest import backtest
from agent.cli.rules_preview import preview
from agent.cli.rules_status import standing, status
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from agent.cli.rule_changes import Changes
    from agent.points.rules import Bundle, BundleRefused
    from agent.points.soundness import Warning

app = typer.Typer(no_args_is_help=True, help="The rules that points are given by.")


@app.command()
def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]", help="A bundle in TOML, or a version's number; else those in force here."
        ),
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """The rules as sentences: those of FILE, else those in force here, else the shipped sample."""
    from agent.cli.rule_sentences import bundle_sentences, examples_sentence
    from agent.clock import SystemClock

    if source:
        shown = named_source(source, config, json_output=json_output)
    else:
        shown = in_force(config, SystemClock().wall_ms(), json_output=json_output)
    told = [*bundle_sentences(shown.bundle), examples_sentence(shown.bundle)]
    slots = None if source else standing(config, json_output=json_output)
    if json_output:
        as_json({"ok": True, **shown.named, "slots": slots, "sentences": told})
        return
    typer.echo(shown.headline)
    if slots:
        typer.echo(", ".join(f"{name}: {version or 'none'}" for name, version in slots.items()))
    for sentence in told:
        typer.echo(f"- {sentence}")


app.command()(status)
app.command()(preview)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A bundle in TOML, or a version's number.")],
    new: Annotated[str, typer.Argument(help="Another one.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """What NEW changes, in words: rules that come, that go, and that change, in both wordings."""
    from agent.cli.rule_changes import changes

    before = named_source(old, config, json_output=json_output)
    after = named_source(new, config, json_output=json_output)
    found = changes(before.bundle, after.bundle)
    if json_output:
        as_json({"ok": True, "old": before.named, "new": after.named, **asdict(found)})
        return
    typer.echo(f"from {before.headline}\nto   {after.headline}")
    _print_changes(found)


def _print_changes(found: "Changes") -> None:
    for title, sign, rules in (("new", "+", found.added), ("no longer", "-", found.removed)):
        if rules:
            typer.echo(f"\n{title}")
        for told in rules:
            typer.echo(f"{sign} {told.sentence}")
    if found.changed:
        typer.echo("\nchanged")
    for change in found.changed:
        typer.echo(f"- {change.old}\n+ {change.new}")
    if found.reordered:
        typer.echo("\nin another order, where the first one decides")
    for order in found.reordered:
        typer.echo(f"~ {order}")
    says = "nothing changes" if not found.any else "all else stays"
    typer.echo(f"\n{says}: {found.kept_count} sentences are the same in both")


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(help="A bundle in TOML.")],
    config: ConfigOption = DEFAULT_CONFIG,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Would a station take this bundle: refusals with rule and line, then what looks like a mistake.

    With a station in --config, also: does it follow the rules in force here, does it know what is sold here?
    """
    written = read(file, json_output=json_output)
    products, predecessor = _followed(config, json_output=json_output)
    refused, warned = _objections(written, products, predecessor)
    fine = refused is None and not (strict and warned)
    against = f"as the successor of version {predecessor.version}" if predecessor else "by itself"
    if json_output:
        as_json(
            {
                "ok": fine,
                "checked": against,
                "refusal": asdict(refused) if refused else None,
                "warnings": [asdict(warning) for warning in warned],
            }
        )
    else:
        typer.echo(f"{file}, {against}")
        if refused:
            typer.echo(f"REFUSED {refused.reason}: {refused.where}: {refused.remedy}")
        for warning in warned:
            typer.echo(f"warning {warning.code}: {warning.where}: {warning.text}")
        typer.echo("a station refuses it" if refused else f"a station takes it; warnings: {len(warned)}")
    if not fine:
        raise typer.Exit(Exit.REFUSED)


def _objections(
    written: bytes, products: set[str], predecessor: "Bundle | None"
) -> "tuple[BundleRefused | None, tuple[Warning, ...]]":
    """Why a station would refuse these bytes, and what else is odd about them."""
    from agent.points.rules import BundleRefused, parse_bundle
    from agent.points.soundness import objection, warnings

    bundle = parse_bundle(written, predecessor.points_scale if predecessor else None)
    if isinstance(bundle, BundleRefused):
        return bundle, ()
    text = written.decode()
    refused = objection(bundle, text, products_sold=products, predecessor=predecessor)
    return refused, warnings(bundle, text)


def _followed(config: Path, *, json_output: bool) -> tuple[set[str], "Bundle | None"]:
    """What this station sells and the bundle that is active here; nothing where there is no station."""
    from agent.cli.station import database_of, database_path, settings_of
    from agent.store.bundles import Bundles

    if not config.exists():
        return set(), None
    settings = settings_of(config, json_output=json_output)
    products = {nozzle.product for point in settings.point for nozzle in point.nozzle}
    if not database_path(settings).exists():
        return products, None
    with database_of(settings, json_output=json_output) as connection:
        bundles = Bundles(connection)
        active = bundles.active()
        return products, bundles.parsed(active.version) if active else None


app.command()(backtest)
