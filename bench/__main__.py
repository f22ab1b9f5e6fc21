"""`make bench`: measures this checkout, keeps the run in bench/history and writes docs/performance.md from it.

The run is JSON on standard output; progress, and the table at the end, are on stderr. Named parts alone are measured
and told, and kept with --keep. SIZE=small measures less of everything, for every day.
"""

from __future__ import annotations

import argparse
import sys

from bench import history, page, table
from bench.figures import SIZE, say
from bench.measure import PARTS, measure


def main() -> int:
    """Run the chosen parts, all by default; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="which parts to run; all if none is named")
    parser.add_argument("--keep", action="store_true", help="keep the run of named parts too")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page from the history again")
    asked = parser.parse_args()
    if asked.page:
        page.publish(history.kept())
        return 0
    run = measure(asked.part or PARTS)
    before = history.newest(history.kept(), SIZE, run.place)
    print("\n".join(table.lines(run, before)), file=sys.stderr)
    print(history.write(run), end="")
    if asked.keep or not asked.part:
        say(f"kept as {history.keep(run)}")
        page.publish(history.kept())
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
