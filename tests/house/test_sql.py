"""House: are all tables strict, all columns named and all statements constant?"""

import pytest

from tests.house.sources import PACKAGES, ROOT, Source, python_sources
from tests.house.sql_rules import loose_schema, loose_statements


def test_the_schema_is_strict() -> None:
    files = sorted((ROOT / "agent" / "store" / "schema").glob("*.sql"))
    assert files, "the schema is in numbered .sql files"
    assert [found for file in files for found in loose_schema(file.name, file.read_text())] == []


def test_schema_files_are_the_only_sql_files() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.sql")]
    assert [file for file in files if file.parent != ROOT / "agent" / "store" / "schema"] == []


def test_statements_are_constant_and_name_their_columns() -> None:
    assert [found for source in python_sources(*PACKAGES) for found in loose_statements(source)] == []


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a INTEGER);",
        "CREATE TABLE t (a INTEGER) WITHOUT ROWID;",
        "CREATE TABLE strict (a INTEGER); -- STRICT",
        "CREATE TABLE t (a REAL) STRICT;",
        "create table t (a varchar(3)) strict",
    ],
)
def test_the_schema_rule_can_fail(text: str) -> None:
    assert len(list(loose_schema("planted.sql", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a INTEGER) STRICT;",
        "CREATE TABLE t (a BLOB, -- really\n CHECK (a > 0)) STRICT, WITHOUT ROWID;",
    ],
)
def test_the_schema_rule_can_pass(text: str) -> None:
    assert list(loose_schema("planted.sql", text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Q = 'SELECT * FROM fact'",
        "Q = 'select distinct f.* from fact f'",
        "c.execute('BEGIN')",
        "c.execute('BEGIN DEFERRED')",
        "c.execute(f'DELETE FROM {table}')",
        "c.executemany('DELETE FROM ' + table, rows)",
        "c.execute('DELETE FROM {}'.format(table))",
        "c.execute('CREATE TABLE t (a INTEGER)')",
    ],
)
def test_the_statement_rule_can_fail(text: str) -> None:
    assert len(list(loose_statements(Source("agent/store/planted.py", text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "c.execute('BEGIN IMMEDIATE')",
        "c.execute(_ADD, (1,))",
        "Q = 'SELECT count(*) FROM fact'",
        "x = 'Begin here'",
    ],
)
def test_the_statement_rule_can_pass(text: str) -> None:
    assert list(loose_statements(Source("agent/store/planted.py", text))) == []
