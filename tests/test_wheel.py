"""The built wheel: everything the product needs is in it, nothing of this machine is, and the demo runs from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.test_tidy import REGISTRIES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "meterbook"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
RECORDED = {"2014-02": "22.07", "2014-03": "6.35", "2014-04": "120.29"}


def run(*command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def test_everything_the_product_needs_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    sources = {
        f"meterbook/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    examples = {
        f"meterbook/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "examples").rglob("*") if path.is_file()
    }
    assert sources | examples == {name for name in packed if name.startswith("meterbook/")}
    for needed in (
        "console/static/console.css",
        "console/static/console.js",
        "console/static/chart.js",
        "console/templates/my_usage/invoice_preview.html",
        "console/locale/ko/LC_MESSAGES/meterbook.mo",
        "console/locale/ja/LC_MESSAGES/meterbook.mo",
        "migrations/versions/0001_accounts_and_catalog.py",
        "usage/sql/migrations/0001_events.sql",
        "examples/demo/catalog.toml",
        "examples/cloudwatch/LICENSE",
        "py.typed",
    ):
        assert f"meterbook/{needed}" in packed
    about = {name.partition("/")[2] for name in packed if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"} <= about


def test_nothing_of_this_machine_is_in_the_wheel(wheel: Path) -> None:
    places = [f"{place}".encode() for place in (ROOT, sys.prefix, sys.base_prefix, f"{Path.home()}{os.sep}")]
    with ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not [place for place in places if place in content], name
            assert not REGISTRIES.search(content.decode(errors="replace")), name
            assert b"file://" not in content, name


def test_the_demo_runs_from_the_wheel_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere, data = tmp_path / "site", tmp_path / "elsewhere", tmp_path / "data"
    elsewhere.mkdir()
    run(*PIP, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel), cwd=elsewhere)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("METERBOOK_", "PYTHON"))}
    environment = own | {"PYTHONPATH": str(site)}
    imported = run(
        sys.executable, "-c", "import meterbook; print(meterbook.__file__)", cwd=elsewhere, environment=environment
    )
    assert Path(imported.strip()) == site / "meterbook" / "__init__.py"
    demo = [sys.executable, "-W", "error", "-m", "meterbook", "demo", "--once", "--data-dir", str(data)]
    said = run(*demo, cwd=elsewhere, environment=environment)
    shown = re.findall(r"^cloudwatch  (\d{4}-\d\d) .*?^  subtotal +([\d.]+)$", said, re.MULTILINE | re.DOTALL)
    assert dict(shown) == RECORDED
    facts = json.loads((data / "demo.json").read_text())
    assert facts["keys"].keys() == {"operator", "account", "events"}
    assert all(user.keys() == {"email", "password", "sees"} for user in facts["users"])
    assert list(elsewhere.iterdir()) == []
    assert not (data / "postgres" / "postmaster.pid").exists()
