"""The documentation is complete and its links resolve: every setting, command, option and route is described."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from meterbook.announce import Happening
from meterbook.api import health, routes
from meterbook.catalog.load import parse_catalog
from meterbook.cli.app import app
from meterbook.settings import ENV_PREFIX, Settings
from meterbook.usage.arrow_events import ROWS_MAX
from meterbook.usage.columns import LENGTHS_MAX
from meterbook.usage.events import EVENTS_MAX
from meterbook.usage.unpack import BODY_BYTES_MAX, UNPACKED_BYTES_MAX

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *(REPOSITORY / "examples").rglob("*.md")])
API = "/api/v1"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(read(path)) if kind == language]


def commands(command: object, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Yield every command that does something, by its full name."""
    if isinstance(command, TyperGroup):
        for part, inner in command.commands.items():
            yield from commands(inner, f"{name} {part}")
    else:
        assert isinstance(command, TyperCommand)
        yield name, command


ERRORS = {"Busy", "Denied", "Invalid", "NotFound", "Refused", "TooLarge", "UnsupportedMedia"}
COMMANDS = dict(commands(get_command(app), "meterbook"))


def slugs(source: str) -> set[str]:
    """Return the problem types that a module's errors carry, but for those formed as "wrong-" and a field."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    errors = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ERRORS)
    told = [*(argument for call in errors for argument in call.args[1:2])]
    found = {node.value for node in told if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {slug for slug in found if not slug.startswith("wrong-")}


def described(name: str, text: str) -> str | None:
    """Return the section of a command in docs/commands.md, or nothing; "## a b | c" is about "a b" and "a c"."""
    for heading, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        first, *others = [part.strip() for part in heading.split("|")]
        stem = first.rpartition(" ")[0]
        if name in (first, *(f"{stem} {other}" for other in others)):
            return str(body)
    return None


def served_routes() -> list[tuple[str, str]]:
    served = FastAPI()
    served.include_router(health.router)
    served.include_router(routes.router, prefix=API)
    paths = get_openapi(title="", version="", routes=served.routes)["paths"]
    return [(method.upper(), path.removeprefix(API)) for path, methods in paths.items() for method in methods]


def anchors(path: Path) -> set[str]:
    """Return the anchors that a page's headings have."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    broken = []
    for target in LINK.findall(FENCE.sub("", read(path))):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_described(field: str) -> None:
    assert f"| `{ENV_PREFIX}{field.upper()}` |" in read(DOCS / "operating.md")


def test_everything_that_is_announced_is_described() -> None:
    told = set(re.findall(r"^\| `(meterbook\.[a-z_.]+)` \|", read(DOCS / "webhook.md"), re.MULTILINE))
    assert told == {each.value for each in Happening}


def test_no_setting_is_described_that_does_not_exist() -> None:
    known = {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields}
    named = {name for page in PAGES for name in re.findall(r"METERBOOK_[A-Z_]+", read(page))}
    assert named <= known


def test_there_are_commands_and_routes_to_describe() -> None:
    assert len(COMMANDS) > 10
    assert len(served_routes()) > 10


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described_with_its_options(name: str) -> None:
    text = read(DOCS / "commands.md")
    section = described(name, text)
    assert section is not None
    general = {"--help", "--data-dir", "--json"}
    assert {option for option in options_of(name) - general if option not in section} == set()


def options_of(name: str) -> set[str]:
    return {option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")}


def unknown_words(line: str) -> set[str]:
    """Return what a line of an example asks of meterbook that does not exist: a command, or options of one."""
    found = re.search(r"(?<![\w/])meterbook ((?:[a-z]+(?:-[a-z]+)* ?)+)(.*)", line.partition("#")[0])
    if not found:
        return set()
    words = found[1].split()
    names = [name for name in (f"meterbook {words[0]}", f"meterbook {' '.join(words[:2])}") if name in COMMANDS]
    if not names:
        return {found[1]}
    return set(re.findall(r"(?<!\S)--[a-z-]+", found[2])) - options_of(names[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_in_examples_exist(page: Path) -> None:
    lines = "\n".join(blocks(page, "sh")).splitlines()
    assert {line: unknown for line in lines if (unknown := unknown_words(line))} == {}


@pytest.mark.parametrize(("method", "path"), served_routes())
def test_every_route_is_described(method: str, path: str) -> None:
    page = read(DOCS / "api.md")
    assert f"`{method} {path}`" in page


def test_no_route_is_described_that_does_not_exist() -> None:
    named = set(re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/[^`]*)` \|", read(DOCS / "api.md"), re.MULTILINE))
    assert named - {("GET", f"{API}/openapi.json")} == {route for route in served_routes() if route not in HEALTH}


def test_every_problem_is_described() -> None:
    package = REPOSITORY / "src" / "meterbook"
    modules = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in ("cli", "console")]
    found = {slug for path in modules for slug in slugs(read(path))}
    assert len(found) > 10
    assert {slug for slug in found if f"`{slug}`" not in read(DOCS / "api.md")} == set()


def test_the_limits_of_events_are_told() -> None:
    page = read(DOCS / "api.md")
    limits = {name: f"{limit:,} bytes |" for name, limit in LENGTHS_MAX.items()}
    names = {"resource": "`data.resource`", "dimensions": "dimensions of an event"}
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for name, limit in limits.items():
        assert any(names.get(name, f"`{name}`") in row and row.endswith(limit) for row in rows), name
    assert f"| {EVENTS_MAX:,} (Arrow: {ROWS_MAX:,} rows) |" in page
    assert f"| {BODY_BYTES_MAX >> 20} MiB |" in page
    assert f"| {UNPACKED_BYTES_MAX >> 20} MiB |" in page


HEALTH = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_resolve(page: Path) -> None:
    assert broken_links(page) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = (target.partition("#")[0] for target in LINK.findall(FENCE.sub("", read(page))))
        waiting += [(page.parent / target).resolve() for target in targets if target and "://" not in target]
    assert [str(page.relative_to(REPOSITORY)) for page in PAGES if page not in reached] == []


def test_the_two_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", read(REPOSITORY / "Makefile"), re.MULTILINE))
    told = set(re.findall(r"^make ([a-z]+)", "\n".join(blocks(REPOSITORY / "README.md", "sh")), re.MULTILINE))
    assert {"demo", "test"} <= told <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_catalogs_in_the_pages_can_be_read(page: Path) -> None:
    for block in blocks(page, "toml"):
        assert parse_catalog(block).products


def test_example_catalogs_can_be_read() -> None:
    files = sorted((REPOSITORY / "examples").rglob("catalog.toml"))
    assert len(files) == 2
    assert all(parse_catalog(read(file)).products for file in files)


def test_the_checks_bite(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[ok](#a-heading) [gone](other.md) [lost](#nowhere) [far](https://example.com)\n")
    assert broken_links(page) == ["other.md", "#nowhere"]
    assert unknown_words("x=1 meterbook serve --port 0 --colour") == {"--colour"}
    assert unknown_words("meterbook sell all") == {"sell all"}
    assert slugs('raise Invalid("Words.", "a-slug"); Denied(text, "b"); other("x", "y"); Invalid("w", "wrong-x")') == {
        "a-slug",
        "b",
    }
    assert described("meterbook key revoke", "## meterbook key create\n") is None
    assert described("meterbook key list", "## meterbook key create | list\nwords\n") == "words\n"
