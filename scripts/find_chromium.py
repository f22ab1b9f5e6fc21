"""Find a Chromium for the tests and the screenshots, or install one: `python scripts/find_chromium.py` prints its path.

Looked for: what METERBOOK_CHROMIUM names, the path, the usual places, Playwright's own downloads. Installed:
Playwright's own, else the distribution's package where apt-get can be used. A program counts when it runs. The shell
without windows comes first: it shows the same pages in a fifth less time, and is smaller to fetch.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

VARIABLE = "METERBOOK_CHROMIUM"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
USUAL = (
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/snap/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = ("chromium-headless-shell", "chromium")
ARGUMENTS = (
    "--no-sandbox",  # continuous integration often runs as root, where the sandbox refuses to start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What Chromium is started with, so that it shows our pages and talks to nobody else."""

_STDERR = 2
_HELLO_SECONDS = 30
_END_SECONDS = 10
_DOWNLOAD_SECONDS = 300
_APT_SECONDS = 900
_CONNECT_MILLISECONDS = "10000"
_KNOWN = re.compile(r"Chrom(?:e|ium)\b.*\d", re.IGNORECASE)


def main() -> None:
    """Print the path of a Chromium, installing one first if there is none."""
    sys.stdout.write(f"{find_chromium() or install_chromium()}\n")


def find_chromium() -> Path | None:
    """Return a Chromium of this machine that runs, the one named by METERBOOK_CHROMIUM before all others.

    Exits with a message when that variable names none.
    """
    if named := os.environ.get(VARIABLE):
        if runs(Path(named)):
            return Path(named)
        sys.exit(f"{VARIABLE} is {named}, which is no Chromium that runs: name another, or unset it.")
    return next((path for path in _places() if runs(path)), None)


def needed_chromium() -> Path:
    """Return a Chromium of this machine, or exit with what to do about there being none."""
    found = find_chromium()
    if found is None:
        sys.exit("There is no Chromium: run python scripts/find_chromium.py, which installs one.")
    return found


def install_chromium() -> Path:
    """Install a Chromium and return its path, or exit with a message on what to install."""
    _say("No Chromium is on this machine. Fetching Playwright's own ...")
    if _playwright("install", "--only-shell", "chromium"):
        if found := find_chromium():
            return found
        _say("It does not run as it is. Installing the libraries it needs ...")
        if _as_root() is not None and _playwright("install-deps", "chromium") and (found := find_chromium()):
            return found
    for package in PACKAGES:
        _say(f"Installing the distribution's package {package} ...")
        if install_package(package) and (found := find_chromium()):
            return found
    sys.exit(
        "The browser's tests need a Chromium, and none could be installed. Do one of these, then run this again:\n"
        f"  - install one with your system's packages (Debian: sudo apt-get install {PACKAGES[-1]}), or Chrome;\n"
        f"  - run {sys.executable} -m playwright install --with-deps chromium where its download can be reached;\n"
        f"  - set {VARIABLE} to the path of one."
    )


def install_package(name: str) -> bool:
    """Install a package of a Debian-like system; return False where that cannot be done or did not work."""
    before = _as_root()
    if before is None:
        _say("  apt-get cannot be used here: it is not there, or this user may not install packages.")
        return False
    apt = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"]
    # an index that is out of date in part may still hold the package
    run([*apt, "update", "-qq"], _APT_SECONDS)
    return run([*apt, "install", "-y", "-qq", "--no-install-recommends", name], _APT_SECONDS)


def runs(program: Path) -> bool:
    """Whether a program is a Chromium that runs; launchers with nothing behind them are not."""
    try:
        answer = subprocess.run(  # noqa: S603 - a browser of this machine, asked for its version
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_HELLO_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(_KNOWN.search(answer.stdout))


def _places() -> Iterator[Path]:
    yield from (Path(found) for name in NAMES if (found := shutil.which(name)))
    yield from (path for path in map(Path, USUAL) if path.exists())
    for folder in _downloads():
        for pattern in (
            "chromium_headless_shell-*/*/*headless*shell",
            "chromium-*/*/chrome",
            "chromium-*/*/*.app/*/*/*",
        ):
            yield from sorted(folder.glob(pattern), key=_revision, reverse=True)


def _revision(download: Path) -> int:
    """Return the number in the name of the folder of a download: chromium-1255."""
    return next((int(found[1]) for part in download.parts if (found := re.fullmatch(r"chromium\w*-(\d+)", part))), 0)


def _downloads() -> Iterator[Path]:
    """Yield the folders into which Playwright downloads."""
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if named and named != "0":
        yield Path(named)
    elif not named:
        home = Path.home()
        yield from (home / ".cache/ms-playwright", home / "Library/Caches/ms-playwright")


def _playwright(*arguments: str) -> bool:
    environment = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": _CONNECT_MILLISECONDS} | os.environ
    return run([sys.executable, "-m", "playwright", *arguments], _DOWNLOAD_SECONDS, environment)


def _as_root() -> list[str] | None:
    """Return what a command for apt-get begins with, None where packages cannot be installed."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    return [sudo, "-n"] if sudo and run([sudo, "-n", "true"], _HELLO_SECONDS, quiet=True) else None


def run(command: Sequence[str], seconds: int, environment: dict[str, str] | None = None, quiet: bool = False) -> bool:
    """Run a command, its output to stderr; return whether it did its work within the seconds."""
    out = subprocess.DEVNULL if quiet else _STDERR
    try:
        # a session of its own, so that what it started ends with it
        process = subprocess.Popen(  # noqa: S603 - commands of this file, without a shell
            command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    except OSError as error:
        _say(f"  {error}")
        return False
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        _say(f"  stopped after {seconds} seconds: {' '.join(command)}")
        return False
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a command with what it started; what sudo started is not ours to stop."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with suppress(OSError, subprocess.TimeoutExpired):
            os.killpg(process.pid, ending)
            process.wait(_END_SECONDS)
            return


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
