"""Where the tests' Chromium comes from, with other programs standing on the path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import find_chromium as finder

from tests.test_tidy import REPOSITORY

CHROMIUM = "#!/bin/sh\necho 'Chromium 150.0.1 built somewhere'\n"
LAUNCHER = "#!/bin/sh\necho 'Command requires the chromium snap to be installed.' >&2\nexit 1\n"
SUDO = '#!/bin/sh\nshift\nexec "$@"\n'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path: a system without a browser, whose user may install packages."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env", "cat", "chmod"):
        (folder / name).symlink_to(str(shutil.which(name)))
    write(folder / "sudo", SUDO)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    # a port on which nothing listens: this test downloads no browser
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")
    monkeypatch.delenv(finder.VARIABLE, raising=False)
    monkeypatch.setattr(finder, "USUAL", ())
    return folder


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def apt(path: Path, has: str | None) -> Path:
    """Put an apt-get on the path that writes down what it is asked, and installs the one package that it has."""
    asked = path / "asked"
    made = f"cat > {path}/{has} <<'END'\n{CHROMIUM}END\nchmod 755 {path}/{has}"
    act = f'case "$*" in *update*) ;; *" {has}") {made}\n;; *) exit 100 ;; esac' if has else "exit 100"
    write(path / "apt-get", f'#!/bin/sh\necho "$*" >> {asked}\n{act}\n')
    return asked


@pytest.mark.usefixtures("path")
def test_nothing_is_found_where_nothing_is() -> None:
    assert finder.find_chromium() is None


def test_the_path_is_searched_and_launchers_with_nothing_behind_them_are_passed_over(path: Path) -> None:
    write(path / "chromium", LAUNCHER)
    assert finder.find_chromium() is None
    chrome = write(path / "google-chrome-stable", CHROMIUM.replace("Chromium", "Google Chrome"))
    assert finder.find_chromium() == chrome


def test_the_shell_without_windows_comes_first(path: Path) -> None:
    write(path / "chromium", CHROMIUM)
    shell = write(path / "chromium-headless-shell", CHROMIUM)
    assert finder.find_chromium() == shell


def test_the_variable_wins_and_has_to_name_a_chromium(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path / "chromium", CHROMIUM)
    own = write(path / "own" / "browser", CHROMIUM)
    monkeypatch.setenv(finder.VARIABLE, str(own))
    assert finder.find_chromium() == own
    monkeypatch.setenv(finder.VARIABLE, str(path / "env"))
    with pytest.raises(SystemExit, match="is no Chromium that runs"):
        finder.find_chromium()


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    "place",
    [
        "chromium-1255/chrome-linux64/chrome",
        "chromium_headless_shell-1255/chrome-headless-shell-linux64/chrome-headless-shell",
        "chromium_headless_shell-1169/chrome-linux/headless_shell",
    ],
)
def test_downloads_of_playwright_are_found(tmp_path: Path, place: str) -> None:
    assert finder.find_chromium() is None
    program = write(tmp_path / "downloads" / place, CHROMIUM)
    assert finder.find_chromium() == program


@pytest.mark.usefixtures("path")
def test_the_newest_download_is_taken(tmp_path: Path) -> None:
    programs = [
        write(tmp_path / f"downloads/chromium-{number}/chrome-linux/chrome", CHROMIUM) for number in (990, 1255, 1169)
    ]
    assert finder.find_chromium() == programs[1]


@pytest.mark.usefixtures("path")
def test_usual_places_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = write(tmp_path / "opt" / "chrome", CHROMIUM)
    monkeypatch.setattr(finder, "USUAL", (str(tmp_path / "nowhere"), str(program)))
    assert finder.find_chromium() == program


@pytest.mark.parametrize("has", finder.PACKAGES)
def test_the_package_is_installed_where_the_download_cannot_be_fetched(path: Path, has: str) -> None:
    asked = apt(path, has)
    assert finder.install_chromium() == path / has
    *_, update, install = asked.read_text().splitlines()
    assert update.endswith("update -qq")
    assert install.endswith(f"install -y -qq --no-install-recommends {has}")


@pytest.mark.parametrize("apt_is_there", [True, False])
def test_the_last_word_is_what_to_install(path: Path, apt_is_there: bool) -> None:
    if apt_is_there:
        apt(path, has=None)
    with pytest.raises(SystemExit, match=r"sudo apt-get install chromium[\s\S]+METERBOOK_CHROMIUM"):
        finder.install_chromium()


def test_the_script_prints_the_path_alone(path: Path) -> None:
    program = write(path / "chromium", CHROMIUM)
    command = [sys.executable, str(REPOSITORY / "scripts/find_chromium.py")]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{program}\n"


def test_a_command_is_stopped_with_what_it_started_when_it_takes_too_long(path: Path) -> None:
    (path / "sleep").symlink_to("/bin/sleep")
    fifo = path / "open"
    os.mkfifo(fifo)
    stuck = write(path / "stuck", f"#!/bin/sh\nsleep 600 > {fifo} &\nwait\n")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert not finder.run([str(stuck)], seconds=1)
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b"", "its child has the pipe open still"
    finally:
        os.close(reader)
