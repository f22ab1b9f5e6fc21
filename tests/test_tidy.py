"""The house rules that no other tool checks: each is a function from a source to its faults, and is shown to bite."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "src" / "meterbook"
MOST_MODULE_LINES = 400
MOST_FUNCTION_LINES = 70
NAMELESS = {
    "base",
    "common",
    "helper",
    "helpers",
    "manager",
    "misc",
    "model",
    "models",
    "service",
    "services",
    "util",
    "utils",
}
CLOCK_DOORS = {"api", "console", "cli", "jobs", "house.py"}
# Where amounts and billed quantities are made or shown.
MONEY = (
    "core",
    "accounts",
    "catalog",
    "formats.py",
    "invoicing",
    "ledger",
    "payments",
    "promotions",
    "demo",
    "exports",
    "budgets",
    "console/my_usage",
    "console/operator",
    "console/sheet.py",
    "console/formats.py",
    "api",
)
# Rooms whose refusals a page shows in the reader's language, and where their sentence stands among the arguments.
SPEAKING = {"core", "accounts", "budgets", "catalog", "invoicing", "promotions", "payments", "console"}
# What translates a text: `_` stands for gettext.
TRANSLATES = {"_", "gettext", "ngettext", "say"}
REFUSALS = {"Invalid": 0, "Refused": 0, "NotFound": 0, "ZoneRefused": 0, "_wrong": 1}
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}
TEXT = {
    ".css",
    ".html",
    ".ini",
    ".js",
    ".json",
    ".lock",
    ".md",
    ".po",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}
BUILT = {".git", ".venv", "node_modules", "static", "dist", "build", "demo-data", "data"}
# Written in parts, so that this file does not hold what it forbids.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")
REGISTRIES = re.compile(
    "|".join(
        [
            r"pypi\." + "org",
            "python" + "hosted",
            r"registry\.npm" + "js",
            r"registry\.yarn" + "pkg",
            r"index-url\s+http",
        ]
    )
)
LOUD_SQL = re.compile(
    r"\b(?:SELECT\s|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(?:TABLE|INDEX|DATABASE|VIEW)|ALTER\s+TABLE"
    r"|DROP\s+TABLE|GROUP\s+BY|ORDER\s+BY|INNER\s+JOIN|LEFT\s+JOIN|FROM\s+\w+|WHERE\s+\w+)"
)
FLOAT_SQL = re.compile(r"toFloat|Float32|Float64|\bavg\s*\(|\d\.\d")
FLOAT_TYPES = {"float16", "float32", "float64", "double"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def written_files() -> Iterator[Path]:
    """Yield the text files of the repository that people wrote."""
    for path in sorted(REPOSITORY.rglob("*")):
        parts = path.relative_to(REPOSITORY).parts
        hidden = any(part.startswith(".") and part not in (".ci", ".importlinter", ".npmrc") for part in parts)
        if path.is_file() and not hidden and not BUILT.intersection(parts) and path.suffix in TEXT:
            yield path


def documented(tree: ast.Module) -> bool:
    return bool(ast.get_docstring(tree))


def long_functions(tree: ast.Module) -> list[str]:
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= MOST_FUNCTION_LINES]


def floats(tree: ast.Module) -> list[int]:
    def is_float(node: ast.AST) -> bool:
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
        return called or (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))

    return [node.lineno for node in ast.walk(tree) if is_float(node)]


def float_conversions(tree: ast.Module) -> list[int]:
    """Return the lines that make floats of something: float(x), numpy's and Arrow's types."""
    names = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute | ast.Name))
    made = [n.lineno for n in names if (n.attr if isinstance(n, ast.Attribute) else n.id) in FLOAT_TYPES]
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return made + [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "float"]


def clock_reads(tree: ast.Module) -> list[int]:
    def is_read(node: ast.AST) -> bool:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return False
        owner = node.func.value
        owner_name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        return (owner_name, node.func.attr) in CLOCKS

    return [node.lineno for node in ast.walk(tree) if is_read(node)]


def prints(tree: ast.Module) -> list[int]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def strangers_of_core(tree: ast.Module) -> set[str]:
    return {
        name
        for name in imported(tree)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("meterbook.core")
    }


def loud_sql(tree: ast.Module) -> list[int]:
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    strings = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [s.lineno for s in strings if id(s) not in documentation and LOUD_SQL.search(str(s.value))]


def dodged_tests(tree: ast.Module) -> list[int]:
    """Return the lines on which a test is skipped, is allowed to fail, or replaces a part with a mock."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    dodged = [node.lineno for node in attributes if node.attr in {"skip", "skipif", "xfail", "importorskip"}]
    return dodged + [1 for name in imported(tree) if name.endswith("mock")]


def unsaid_refusals(tree: ast.Module) -> list[int]:
    """Return the lines on which an act is refused in a text that no catalog of translations can know."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
            texts = node.args[REFUSALS[node.func.id] : REFUSALS[node.func.id] + 1]
            found += [text.lineno for text in texts if isinstance(text, ast.JoinedStr | ast.BinOp)]
    return found


def texts_in_f_strings(tree: ast.Module) -> list[int]:
    """Return the lines of f-strings with a text to translate inside, which is not found there before Python 3.12."""
    return [
        call.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in TRANSLATES
    ]


def of_all(rule: Callable[[ast.Module], object], paths: list[Path]) -> dict[str, object]:
    """Return the faults of every module that has some."""
    faults = {name_of(path): rule(ast.parse(path.read_text(encoding="utf-8"))) for path in paths}
    return {name: fault for name, fault in faults.items() if fault}


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 20
    assert (REPOSITORY / "requirements.lock") in set(written_files())


def test_modules_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > MOST_MODULE_LINES} == {}


def test_functions_are_short() -> None:
    # A revision of the tables is a list, not a train of thought.
    assert of_all(long_functions, [path for path in MODULES if "migrations" not in path.parts]) == {}


def test_files_are_named_for_what_they_do() -> None:
    places = [path for path in PACKAGE.rglob("*") if path.is_dir() or path.suffix == ".py"]
    assert [name_of(path) for path in places if path.stem in NAMELESS] == []


def test_modules_say_what_they_own() -> None:
    assert of_all(lambda tree: not documented(tree), MODULES) == {}


def test_rooms_begin_with_a_notice_board_and_nothing_else() -> None:
    boards = [path for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]
    assert of_all(lambda tree: len(tree.body) - 1, boards) == {}


def test_no_binary_float_where_money_is_made() -> None:
    money = [path for path in MODULES if path.relative_to(PACKAGE).as_posix().startswith(MONEY)]
    assert len(money) > 10
    assert of_all(floats, money) == {}


def test_usage_counts_in_decimals() -> None:
    # Waiting times may be floats there; values, and what SQL makes of them, may not.
    inside = sorted((PACKAGE / "usage").rglob("*.py"))
    assert len(inside) > 10
    assert of_all(float_conversions, inside) == {}
    statements = {name_of(path): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.sql")}
    assert [name for name, text in statements.items() if FLOAT_SQL.search(text)] == []


def test_only_doors_read_clocks() -> None:
    inside = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in CLOCK_DOORS]
    assert of_all(clock_reads, inside) == {}


def test_core_imports_the_standard_library_only() -> None:
    assert of_all(strangers_of_core, sorted((PACKAGE / "core").rglob("*.py"))) == {}


def test_refusals_can_be_translated() -> None:
    speaking = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in SPEAKING]
    # customers read what a gateway refuses in the console's own words
    gateways = PACKAGE / "payments/gateway"
    assert of_all(unsaid_refusals, [path for path in speaking if not str(path).startswith(str(gateways))]) == {}


def test_texts_to_translate_stand_by_themselves() -> None:
    assert of_all(texts_in_f_strings, MODULES) == {}


def test_only_the_command_line_prints() -> None:
    outside = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] != "cli"]
    assert of_all(prints, outside) == {}


def test_sql_is_written_in_lower_case() -> None:
    assert of_all(loud_sql, MODULES) == {}
    statements = {name_of(path): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.sql")}
    assert [name for name, text in statements.items() if LOUD_SQL.search(re.sub(r"--.*", "", text))] == []


def test_nothing_is_left_unfinished() -> None:
    assert [name_of(path) for path in written_files() if UNFINISHED.search(path.read_text(encoding="utf-8"))] == []


def test_no_file_names_a_package_registry() -> None:
    assert [name_of(path) for path in written_files() if REGISTRIES.search(path.read_text(encoding="utf-8"))] == []


def test_every_locked_package_has_its_hash() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    packages = [line for line in lock.splitlines() if line.strip() and not line.startswith("#")]
    assert len(packages) > 20
    assert [line.split()[0] for line in packages if "--hash=sha256:" not in line] == []


def test_no_test_is_skipped_or_mocked() -> None:
    assert of_all(dodged_tests, sorted((REPOSITORY / "tests").rglob("*.py"))) == {}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (lambda tree: not documented(tree), "x = 1", '"""Owns x."""'),
        (long_functions, "def f():\n" + "    x = 1\n" * 70, "def f():\n" + "    x = 1\n" * 60),
        (floats, "x = 12.0 * y", 'x = Decimal("12.0") * y'),
        (floats, "x = float(y)", "x: float = y"),
        (float_conversions, "x.astype(np.float64)", "x: float = 0.5"),
        (float_conversions, "float(x)", "x.astype(np.int64)"),
        (clock_reads, "datetime.now(UTC)", "now + timedelta(1)"),
        (clock_reads, "datetime.datetime.utcnow()", "clock.now()"),
        (clock_reads, "time.time()", "time.monotonic()"),
        (prints, "print(1)", "console.print(1)"),
        (unsaid_refusals, 'Refused(f"{x} is there")', 'Refused(say("%(x)s is there", x=x))'),
        (unsaid_refusals, '_wrong("code", "a" + x)', '_wrong("code", "It is not allowed.")'),
        (texts_in_f_strings, "f\"{_('Charge')} ({currency})\"", "in_currency(_('Charge'), f'{currency}')"),
        (strangers_of_core, "from sqlalchemy import text", "from meterbook.core.money import Money\nimport re"),
        (strangers_of_core, "from meterbook.usage import store", "from decimal import Decimal"),
        (loud_sql, 'text("SELECT 1")', 'text("select 1")'),
        (loud_sql, "f'{x} ORDER BY y'", 'def f():\n    """SELECT in words."""'),
        (dodged_tests, "@pytest.mark.skip\ndef test(): ...", "def test(): ..."),
        (dodged_tests, "from unittest.mock import Mock", "import unittest"),
    ],
)
def test_the_rules_bite(rule: Callable[[ast.Module], object], bad: str, good: str) -> None:
    assert rule(ast.parse(bad))
    assert not rule(ast.parse(good))


def test_the_patterns_bite() -> None:
    assert FLOAT_SQL.search("select avg(value)")
    assert not FLOAT_SQL.search("select round(value, 9)")
    assert UNFINISHED.search("# TO" + "DO: later")
    assert REGISTRIES.search("https://files.python" + "hosted.org/x.whl")
    assert not REGISTRIES.search("--no-emit-index" + "-url")


def test_the_script_for_continuous_integration_runs_the_suite() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "make test" in script.read_text(encoding="utf-8").splitlines()
