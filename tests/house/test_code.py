"""House: is the code free of what may not be in it?"""

import pytest

from tests.house.code_rules import (
    BANNED_MODULES,
    broad_excepts,
    foreign_imports_of_points,
    io_in_pure_modules,
    loose_log_lines,
    undone,
)
from tests.house.sources import FOLDERS, PACKAGES, Source, python_sources, text_files


def test_only_the_supervisor_catches_everything() -> None:
    assert [found for source in python_sources(*PACKAGES) for found in broad_excepts(source)] == []


def test_pure_modules_reach_for_nothing() -> None:
    assert [found for source in python_sources(*PACKAGES) for found in io_in_pure_modules(source)] == []


def test_points_need_nothing_but_the_standard_library_and_pydantic() -> None:
    assert [
        found for source in python_sources("agent/points") for found in foreign_imports_of_points(source)
    ] == []


def test_log_events_have_constant_names() -> None:
    assert [found for source in python_sources(*PACKAGES) for found in loose_log_lines(source)] == []


def test_nothing_is_left_undone() -> None:
    assert [found for path, text in text_files(*FOLDERS) for found in undone(path, text)] == []


def test_module_names_say_something() -> None:
    names = {source.path: source.module.split(".")[-1] for source in python_sources(*FOLDERS)}
    assert [path for path, name in names.items() if name in BANNED_MODULES] == []


@pytest.mark.parametrize("line", ["except:", "except Exception:", "except (OSError, BaseException) as e:"])
def test_the_except_rule_can_fail(line: str) -> None:
    text = f"try:\n    pass\n{line}\n    pass\n"
    assert len(list(broad_excepts(Source("agent/till.py", text)))) == 1
    assert list(broad_excepts(Source("agent/supervisor.py", text))) == []


def test_the_except_rule_lets_through_what_only_tidies_up() -> None:
    text = "try:\n    pass\nexcept BaseException:\n    undo()\n    raise\n"
    assert list(broad_excepts(Source("agent/till.py", text))) == []
    assert len(list(broad_excepts(Source("agent/till.py", text.replace("undo()", "return"))))) == 1


@pytest.mark.parametrize("path", ["agent/points/award.py", "drivers/modbus/codec.py", "sync/courier.py"])
def test_the_io_rule_can_fail(path: str) -> None:
    assert len(list(io_in_pure_modules(Source(path, "open('/etc/passwd')")))) == 1
    assert list(io_in_pure_modules(Source("agent/cli/run.py", "open('/etc/passwd')"))) == []


@pytest.mark.parametrize(
    "line", ["import serial", "from agent.store import facts", "from agent import clock"]
)
def test_the_points_rule_can_fail(line: str) -> None:
    assert len(list(foreign_imports_of_points(Source("agent/points/award.py", line)))) == 1


def test_the_points_rule_can_pass() -> None:
    text = "import hashlib\nfrom pydantic import BaseModel\nfrom agent.points.units import scaled\n"
    assert list(foreign_imports_of_points(Source("agent/points/award.py", text))) == []


@pytest.mark.parametrize("line", ["log.info(f'sold {n}')", "logger.error(text)", "_log.warning('a' + b)"])
def test_the_log_rule_can_fail(line: str) -> None:
    assert len(list(loose_log_lines(Source("agent/app.py", line)))) == 1


def test_the_log_rule_can_pass() -> None:
    assert (
        list(
            loose_log_lines(
                Source(
                    "agent/app.py", "log.info('sold %s', n)\nshown.info(text)\nlog.info('A' if a else 'B')"
                )
            )
        )
        == []
    )


def test_the_undone_rule_can_fail() -> None:
    assert len(list(undone("planted.md", "first\nTO" + "DO: later\n"))) == 1
    assert list(undone("planted.md", "a pseudocode word such as todos\n")) == []
