"""Unit: is every driver found, lazily, under its own name, and does a broken one of others break nothing?"""

import subprocess
import sys
from pathlib import Path

import pytest

from drivers import catalogue


def test_every_driver_is_found_under_its_name() -> None:
    assert {"companytec", "modbus", "pos_link"} <= set(catalogue.names())
    assert [driver.name for driver in catalogue.all()] == list(catalogue.names())
    assert catalogue.find("blueprint").name == "blueprint"
    assert "blueprint" not in catalogue.names()


def test_an_unknown_driver_is_told_what_exists() -> None:
    with pytest.raises(catalogue.UnknownDriver, match=r"no driver 'pigeon'; known: .*companytec, .*pos_link"):
        catalogue.find("pigeon")


def test_looking_at_the_catalogue_imports_no_driver() -> None:
    code = (
        "import sys; from drivers import catalogue; catalogue.names();"
        "print([m for m in sys.modules if m.startswith('drivers.') and m.count('.') > 1 or m == 'serial'])"
    )
    root = Path(catalogue.__file__).parents[1]
    heard = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert heard.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (None, "cannot be imported: No module named 'pigeon_post'"),
        ("import no_such_library\nDRIVER = 1\n", "cannot be imported: No module named 'no_such_library'"),
        ("x = (\n", "cannot be imported: '(' was never closed"),
        ("OTHER = 1\n", "cannot be imported: module 'pigeon_post' has no attribute 'DRIVER'"),
        ("DRIVER = 1\n", "is no Driver of this name"),
    ],
)
def test_a_broken_driver_of_somebody_else_is_named_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, why: str
) -> None:
    record = tmp_path / "pigeon_post-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[forecourt.drivers]\npigeon = pigeon_post:DRIVER\n")
    if source is not None:
        (tmp_path / "pigeon_post.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert [reason.partition(") ")[2].startswith(why) for reason in catalogue.broken()] == [True]
        assert "pigeon" in catalogue.names()
        assert {driver.name for driver in catalogue.all()} == set(catalogue.names()) - {"pigeon"}
    finally:
        sys.modules.pop("pigeon_post", None)
