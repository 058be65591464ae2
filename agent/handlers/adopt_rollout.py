"""HQ's word, its signature checked, on how many stations a bundle is for, or that it is withdrawn."""

from dataclasses import replace

from agent.clock import Instant
from agent.handlers import lifecycle, rule_slots
from agent.handlers.adoption import MOST_STEPS, Adoption, refuse
from agent.handlers.site import Site
from agent.messages.rollout import Rollout as Document
from agent.messages.rollout import parse_rollout
from agent.store.bundles import Rollout
from agent.store.database import Transaction


def adopt_rollout(payload: bytes, tx: Transaction, site: Site, at: Instant) -> Adoption:
    """Take HQ's word, its signature checked, on how many stations a bundle is for, or that it is withdrawn.

    It may come before its bundle. Only a higher serial says anything new.
    """
    parsed = parse_rollout(payload)
    if isinstance(parsed, str):
        return refuse("ROLLOUT_MALFORMED", parsed, tx, at)
    word = Rollout(
        parsed.serial, parsed.rollout, parsed.version, parsed.percent, parsed.withdrawn, at.wall_ms
    )
    newest = tx.bundles.newest_rollout()
    if newest is not None and replace(newest, received_at_ms=at.wall_ms) == word:
        return Adoption("", f"rollout serial {parsed.serial} is here already")
    if objection := _not_our_word(parsed, newest, tx, site, at):
        return refuse(objection.reason, objection.text, tx, at)
    tx.bundles.add_rollout(word)
    if parsed.withdrawn:
        rule_slots.withdraw(parsed.version, tx, at)
    lifecycle.advance(tx, site, at)
    held = tx.bundles.get(parsed.version)
    stands = f"it is {held.state} here" if held else "it has not come yet"
    share = "withdrawn" if parsed.withdrawn else f"for {parsed.percent} % of the stations"
    return Adoption("", f"bundle version {parsed.version} is {share}; {stands}")


def _not_our_word(
    parsed: Document, newest: Rollout | None, tx: Transaction, site: Site, at: Instant
) -> Adoption | None:
    if parsed.programme != site.programme:
        text = f"this rollout is for {parsed.programme}, the station is in {site.programme}"
        return Adoption("OTHER_PROGRAMME", text)
    if newest is not None and parsed.serial <= newest.serial:
        text = f"serial {parsed.serial} is not newer than {newest.serial}, which is here"
        return Adoption("ROLLOUT_ROLLBACK", text)
    if newest is not None and parsed.serial - newest.serial > MOST_STEPS:
        text = f"serial {parsed.serial} is more than {MOST_STEPS} above {newest.serial}: number in order"
        return Adoption("SERIAL_JUMP", text)
    if at.wall_ms > parsed.not_after_ms:
        return Adoption("ROLLOUT_EXPIRED", "its not_after_ms is past: ask HQ for its newest word")
    if tx.bundles.get(parsed.version) is None or parsed.withdrawn:
        return None
    staged = tx.bundles.parsed(parsed.version).rollout
    if staged is None or staged.id != parsed.rollout:
        name = staged.id if staged else "no rollout"
        return Adoption(
            "OTHER_ROLLOUT", f"version {parsed.version} belongs to {name}, not to {parsed.rollout}"
        )
    return None
