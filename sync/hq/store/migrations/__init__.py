"""How HQ's tables came to be, one numbered revision after the other; `bring_up` runs what is missing.

The number of the newest revision also stands in `hq_schema`, which programs older than these
revisions read: they refuse a database that they do not know.
"""

from pathlib import Path

import sqlalchemy as sa

_ONE_AT_A_TIME = 0x666F7265636F7572


def alone(connection: sa.Connection) -> None:
    """Wait until no other worker brings up this database; ends with the transaction.

    On SQLite the transaction itself, begun IMMEDIATE, keeps others away.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))


def bring_up(connection: sa.Connection, version: int | None) -> int:
    """Run what is missing since `version` (None: an empty database); the version now.

    Tables of version 1 and 2 were made before there were revisions: they are taken over as they are.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    if version is not None and not sa.inspect(connection).has_table("alembic_version"):
        command.stamp(config, f"{version:04}")
    command.upgrade(config, "head")
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return int(head)
