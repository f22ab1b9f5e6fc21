"""Moving house by the commands: beside a running server, without one, and into a folder that is in use."""

from pathlib import Path

from typer.testing import CliRunner

from meterbook.cli.app import app
from meterbook.errors import Invalid, Refused
from tests.doors.asking import check_problem
from tests.doors.conftest import Served


def run(*arguments: str) -> tuple[int, str, BaseException | None]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output, result.exception


def test_a_served_installation_moves_into_another_folder(served: Served, tmp_path: Path) -> None:
    served.account("mover", projects=["mover-web"])
    event = {
        "specversion": "1.0",
        "id": "moved",
        "source": "moving",
        "type": "host.seen",
        "subject": "mover-web",
        "time": "2026-06-10T10:30:00Z",
        "data": {"resource": "host-1"},
    }
    served.send([event])
    written = served.read("export", str(tmp_path / "archive"))
    assert (tmp_path / "archive" / "manifest.json").is_file()
    assert not list((served.folder / "archives").glob("export-*"))
    there = ["--data-dir", str(tmp_path / "there")]
    code, output, error = run("import", str(tmp_path / "archive"), *there)
    assert code == 0, f"{output} {error!r}"
    assert f"{written['events']:,} events are restored" in output
    preview = ["preview", "--account", "mover", "--month", "2026-06", "--json"]
    assert run(*preview, *there)[1] == served.run(*preview).stdout
    assert run("verify", *there)[0] == 0
    code, _, error = run("import", str(tmp_path / "archive"), *there)
    assert code == 1
    assert isinstance(error, Refused)
    assert "in use already" in error.message


def test_what_cannot_be_written_or_restored_says_why(served: Served, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    code, _, error = run("export", str(tmp_path / "there"), "--data-dir", str(served.folder))
    assert (code, isinstance(error, Refused)) == (1, True)
    code, _, error = run("import", str(tmp_path / "there"), "--data-dir", str(tmp_path / "other"))
    assert (code, isinstance(error, Invalid)) == (1, True)
    assert "no archive of Meterbook" in str(error)
    for name in ("../up", "", ".hidden", "a/b", "x" * 101):
        check_problem(
            served.api("POST", "/archives", json={"name": name}), 422, "wrong-name" if len(name) < 101 else "invalid"
        )
