"""House: is everything where the plan of the house puts it?"""

from pathlib import Path

import pytest

from tests.house.sources import FOLDERS, PACKAGES, ROOT

FILES = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "SECURITY.md",
    "Makefile",
    "requirements.lock",
    "requirements-demo.lock",
    "requirements-dev.lock",
    "requirements-build.lock",
}
BUILT = {"build", "dist", "__pycache__"}


def _strange(root: Path) -> set[str]:
    names = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    return names - FILES - set(FOLDERS) - BUILT


def _without_init(root: Path) -> set[str]:
    folders = {file.parent for package in PACKAGES for file in (root / package).rglob("*.py")}
    return {str(folder.relative_to(root)) for folder in folders if not (folder / "__init__.py").exists()}


def test_nothing_else_lies_at_the_top() -> None:
    assert _strange(ROOT) == set()


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_files_of_the_top_are_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_explains_itself(folder: str) -> None:
    assert (ROOT / folder / "README.md").is_file()


def test_every_folder_of_code_is_a_package() -> None:
    assert _without_init(ROOT) == set()


def test_tests_are_no_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_the_layout_rules_can_fail(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "app.py").touch()
    assert _strange(tmp_path) == {"docs"}
    assert _without_init(tmp_path) == {"agent"}
