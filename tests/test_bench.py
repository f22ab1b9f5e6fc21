"""The frame of the benchmarks: targets, history and the page that is written from it; no load is run here."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from bench import figures, history, machine, measure, page, plots, table
from bench.figures import Figure, Result, judge
from bench.history import Run

FIGURES = {
    "limits": [Figure(name="over HTTP", value=500_000, unit="events/s", how="bare")],
    "ingest": [
        Figure(
            name="HTTP ingest",
            value=260_000,
            unit="events/s",
            how="8 connections",
            at_least=300_000,
            limit="over HTTP",
            limit_share=0.5,
        ),
        Figure(name="memory", value=1_600, unit="MiB", how="at most", at_most=1_536),
    ],
    "reads": [
        Figure(name="preview, 1 million events", value=19.13579, unit="ms", how="median"),
        Figure(name="preview, 100 million events", value=22, unit="ms", how="median"),
        Figure(name="an account's preview", value=20, unit="ms", how="median", at_most=25),
    ],
}


def a_run(at: str = "2026-01-02T03:04:05Z", **changed: object) -> Run:
    run = Run(
        at=at,
        commit="0123456789",
        clean=True,
        size="full",
        machine={"processor": "A & B", "cores": 2, "memory_gib": 24},
        versions={"python": "3.11", "chdb": "26.9", "engine": "26.9.2"},
        busy={"limits": 0.5, "reads": 31.0},
        seconds={"limits": 60.0, "reads": 120.0},
        failed={},
        results=judge(FIGURES),
    )
    return replace(run, **changed)  # type: ignore[arg-type]


def found(name: str, results: list[Result]) -> Result:
    (result,) = [result for result in results if result.name == name]
    return result


def test_half_of_the_limit_of_the_same_run_is_enough() -> None:
    ingest = found("HTTP ingest", judge(FIGURES))
    assert (ingest.target, ingest.met, ingest.better, ingest.of_limit) == (250_000, True, "more", 0.52)


def test_without_the_limit_the_target_stands_by_itself() -> None:
    ingest = found("HTTP ingest", judge({"ingest": FIGURES["ingest"]}))
    assert (ingest.target, ingest.met, ingest.of_limit) == (300_000, False, None)


def test_a_higher_limit_asks_for_no_more_than_the_target() -> None:
    limits = [replace(FIGURES["limits"][0], value=2_000_000)]
    assert found("HTTP ingest", judge(FIGURES | {"limits": limits})).target == 300_000


def test_a_figure_that_misses_its_target_says_so_everywhere() -> None:
    run = a_run()
    memory = found("memory", run.results)
    assert (memory.better, memory.target, memory.met) == ("less", 1_536, False)
    assert any(re.search(r"ingest: memory +1,600 MiB +≤ 1,536 MiB +MISSED", line) for line in table.lines(run, None))
    told = page.told(f"{page.BEGIN}{page.END}", [run])
    assert "| memory | 1,600 MiB | ≤ 1,536 MiB | **missed** | | at most |" in told.replace("|  |", "| |")
    assert "2 of 3 figures are as wanted." in told
    assert "Missed: ingest: memory." in told
    assert "1,600 MiB (≤ 1,536 MiB), missed" in page.plots([run])["bench-targets.svg"]


def test_figures_keep_four_digits() -> None:
    assert found("preview, 1 million events", judge(FIGURES)).value == 19.14
    assert figures.rounded(1_234_567.8) == 1_234_568


def test_history_keeps_a_run_as_it_was(tmp_path: Path) -> None:
    older, newer = a_run("2026-01-01T00:00:00Z", clean=False, failed={"close": "Killed"}), a_run()
    assert [history.keep(run, tmp_path).suffix for run in (newer, older)] == [".json", ".json"]
    assert history.kept(tmp_path) == [older, newer]
    assert (older.short_commit, newer.short_commit) == ("0123456*", "0123456")


def test_the_newest_of_a_size_and_machine_is_compared_with() -> None:
    other = a_run(machine={"processor": "C", "cores": 8, "memory_gib": 1})
    runs = [a_run("1"), a_run("2"), a_run("3", size="small"), other]
    assert history.newest(runs, "full", runs[0].place) == runs[1]
    assert history.newest(runs, "small") == runs[2]
    assert history.newest(runs, "small", other.place) is None


def test_the_page_is_written_from_the_history(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "bench-history-7.svg").write_text("of a machine that is gone")
    written = tmp_path / "performance.md"
    written.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    runs = [a_run("2026-01-01T00:00:00Z"), a_run(), a_run("2026-01-03T00:00:00Z", size="small", results=[])]
    page.publish(runs, written)
    text = written.read_text()
    assert text.startswith(f"before\n{page.BEGIN}")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "old" not in text
    assert "of 2026-01-02, commit `0123456`, on A & B, 2 cores, 24 GiB of memory" in text
    assert "Others had at most 31 % of the machine" in text
    assert "| **Meterbook** | 20 ms |  |  | 260,000 events/s |" in text
    assert "| OpenMeter (ClickHouse) | 43.6 ms | 28.7 ms | 4.4 s |  |" in text
    drawn = {path.name for path in (tmp_path / "images").iterdir()}
    assert drawn == set(re.findall(r"images/([\w.-]+)\)", text))
    assert drawn == {"bench-targets.svg", "bench-growth.svg", "bench-history-1.svg"}
    page.publish(runs, written)
    assert written.read_text() == text


def test_a_part_measured_alone_replaces_that_part() -> None:
    alone = judge({"reads": [replace(FIGURES["reads"][2], value=30)]})
    told = page.told(f"{page.BEGIN}{page.END}", [a_run("1"), a_run("2", results=alone)])
    assert "| an account's preview | 30 ms | ≤ 25 ms | **missed**" in told
    assert "| HTTP ingest | 260,000 events/s |" in told


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    runs = history.kept()
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.told(text, runs), "write it again: python -m bench --page"
    drawn = {path.name: path.read_text() for path in (page.PAGE.parent / "images").glob("bench-*.svg")}
    assert drawn == page.plots(runs)


def test_plots_are_well_formed_and_fit_dark_screens() -> None:
    for drawn in page.plots([a_run()]).values():
        ET.fromstring(drawn)
        assert "prefers-color-scheme: dark" in drawn
    assert "&lt;b&gt;" in plots.shares("<b>", [])


def test_a_part_that_fails_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "whole_part.py").write_text(
        "from bench.figures import Figure\n"
        "def run(folder):\n"
        "    folder.mkdir()\n"
        "    return [Figure(name='one', value=1, unit='s', how='', at_most=2)]\n"
    )
    (tmp_path / "broken_part.py").write_text("def run(folder):\n    raise ValueError('no luck\\nat all')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run = measure.measure(["broken", "whole"], {"broken": "broken_part", "whole": "whole_part"})
    assert run.failed == {"broken": "ValueError: no luck"}
    assert [(result.part, result.met) for result in run.results] == [("whole", True)]
    assert run.seconds.keys() == {"broken", "whole"}
    assert "broken ...\n" in capsys.readouterr().err
    assert "broken: FAILED, ValueError: no luck" in list(table.lines(run, None))
    assert history.read(history.write(run)) == run


def test_every_part_exists() -> None:
    assert all((machine.REPOSITORY / f"{module.replace('.', '/')}.py").exists() for module in measure.PARTS.values())
