"""`make bench`: measures this checkout and prints the figures as JSON on standard output, progress on stderr.

The machine's own limits are measured in the same run, because a figure without them says little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench import closing, console, importing, ingest, limits, preview, reads


def main() -> None:
    """Run the chosen parts, all by default."""
    parts = {
        "limits": limits.run,
        "ingest": ingest.run,
        "preview": preview.run,
        "import": importing.run,
        "close": closing.run,
        "reads": reads.run,
        "console": console.run,
    }
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*parts, []], help="which parts to run; all if none is named")
    chosen = parser.parse_args().part or list(parts)
    figures: dict[str, object] = {"machine": _machine()}
    with tempfile.TemporaryDirectory(prefix="meterbook-bench-") as folder:
        for name in chosen:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures[name] = parts[name](Path(folder) / name)
    print(json.dumps(figures, indent=2))


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "engine": version("chdb-core"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


main()
