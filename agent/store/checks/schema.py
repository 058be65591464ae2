"""The tables themselves, and that nothing in them names a person (I26, I27).

What this version ships is STRICT and knows only integers, texts and bytes (tests/house); so whatever is
the same as shipped can hold no fraction, and has no column that nobody answers for.
"""

import sqlite3
from collections.abc import Iterator

from agent.store import migrations
from agent.store.checks.finding import Finding

_RAW = """
SELECT place, count(*) FROM (
    SELECT 'fact' AS place, credential FROM fact UNION ALL SELECT 'pos_sale', credential FROM pos_sale
    UNION ALL SELECT 'binding', credential FROM binding
    UNION ALL SELECT 'presentation', credential FROM presentation
    UNION ALL SELECT 'credential', credential FROM credential)
WHERE credential <> '' AND (credential NOT GLOB 'k[0-9]*:*'
    OR length(substr(credential, instr(credential, ':') + 1)) <> 22)
GROUP BY place
"""


def check_schema(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Nothing beside what is shipped, and credentials only as the keyed hashes of decisions.md 5."""
    here, shipped = migrations.schema(connection), migrations.schema_like(connection)
    for name in sorted(here.keys() | shipped.keys()):
        if name not in here:
            yield Finding("SCHEMA", name, "it is not there")
        elif name not in shipped:
            yield Finding("SCHEMA", name, "it is foreign")
        elif here[name] != shipped[name]:
            yield Finding("SCHEMA", name, "it is not as shipped")
    if here == shipped:
        for place, times in connection.execute(_RAW):
            yield Finding("RAW_CREDENTIAL", place, f"{times} are no keyed hash")
