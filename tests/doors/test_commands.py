"""The command line: exit codes, messages, JSON, the catalog, reading and keys."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from meterbook.accounts.prove import KEY_FORM
from tests.doors.commands import event, run
from tests.doors.conftest import CATALOG, Served

PRODUCTS = CATALOG.read_text(encoding="utf-8")


# --- codes and messages


def test_help_answers_at_once() -> None:
    spent = []
    for arguments in (["--help"], ["import", "--help"], ["serve", "--help"]):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = run(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert (said.code, said.err) == (0, "")
    assert min(spent) < 0.5
    assert run("--version").out.startswith("meterbook ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["unheard"],
        ["preview"],
        ["preview", "--account", "a", "--unheard"],
        ["account", "add", "a"],
        ["usage", "--project", "p"],
        ["import"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "x"],
        ["key", "create"],
        ["key", "create", "--scope", "everything"],
        ["preview", "--account", "a", "--by", "colour"],
        ["usage", "--project", "p", "--from", "2026-06-01", "--until", "2026-07-01", "--window", "week"],
        ["member", "add", "a@b.example", "p", "--role", "owner"],
        ["catalog", "unheard", "x.toml"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(say: Any, arguments: list[str]) -> None:
    said = say(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Usage" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preview", "--account", "nobody"], "There is no account 'nobody'."),
        (["preview", "--account", "cli", "--month", "2026-13"], "'2026-13' is not a month such as 2014-02"),
        (["preview", "--account", "cli", "--month", "2190-01"], "2190-01 has not begun yet"),
        (["preview", "--account", "cli", "--at", "noon"], "'noon' is not an instant such as 2026-06-12T06:00:00Z"),
        (["usage", "--project", "nowhere", "--from", "2026-06-01", "--until", "2026-07-01"], "no project 'nowhere'"),
        (["usage", "--project", "cli", "--from", "2026-07-01", "--until", "2026-06-01"], "`from` has to lie before"),
        (["usage", "--project", "cli", "--from", "2026-06-01", "--until", "2026-06-31"], "'2026-06-31' is not a day"),
        (["account", "add", "Capital", "--currency", "USD"], "'Capital' is not allowed"),
        (["account", "add", "cli-x", "--currency", "DOLLAR"], "not an ISO 4217 currency code"),
        (["account", "add", "cli", "--currency", "KRW"], "exists already and differs: currency is USD there"),
        (["account", "add", "cli-x", "--currency", "USD", "--tax-percent", "101"], "0 to 100"),
        (["account", "add", "cli-x", "--currency", "USD", "--time-zone", "Mars/Olympus"], "not a time zone"),
        (["project", "add", "nobody", "cli-x"], "There is no account 'nobody'."),
        (["project", "add", "cli", "cli-x", "--label", "novalue"], "key=value"),
        (["project", "add", "cli", "cli-x", "--trial-until", "2026-06-20T10:30:00Z"], "start of an hour"),
        (["user", "add", "nobody"], "not an e-mail address"),
        (["member", "add", "nobody@cli.example", "cli"], "There is no user 'nobody@cli.example'."),
        (["member", "add", "nobody@cli.example"], "either the project or"),
        (["key", "create", "--scope", "events"], "needs the account"),
        (["key", "revoke", "mbk_e_unheard"], "There is no key"),
        (["import", "absent.csv"], "There is no file absent.csv; nothing was imported."),
        (["catalog", "check", "absent.toml"], "Cannot read absent.toml: No such file or directory."),
    ],
    ids=lambda each: " ".join(each)[:60] if isinstance(each, list) else "",
)
def test_what_is_refused_exits_1_and_says_why(served: Served, say: Any, arguments: list[str], message: str) -> None:
    served.account("cli", projects=["cli"])
    said = say(*arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("meterbook: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_lists_and_what_was_added(served: Served, say: Any) -> None:
    for _ in range(2):  # the very same again changes nothing
        assert say("account", "add", "cli-all", "--currency", "JPY", "--name", "All of it").out == (
            "Account cli-all is there.\n"
        )
        added = ["cli-all", "cli-all-web", "--label", "team=core", "--trial-until", "2026-06-20T10:00:00Z"]
        assert say("project", "add", *added).out == "Project cli-all-web is there.\n"
        served.run("user", "add", "ann@cli.example", "--name", "Ann", "--password-stdin", stdin="a long password\n")
        assert say("member", "add", "ann@cli.example", "cli-all-web", "--role", "admin", "--billing").code == 0
        assert say("member", "add", "ann@cli.example", "--account", "cli-all").out == (
            "ann@cli.example is viewer of account cli-all.\n"
        )
    (project,) = served.read("project", "list", "cli-all")["items"]
    assert (project["labels"], project["trial_until"]) == ({"team": "core"}, "2026-06-20T10:00:00Z")
    members = served.read("member", "list", "cli-all")["items"]
    assert [(each["project"], each["role"], each["billing"]) for each in members] == [
        ("cli-all-web", "admin", True),
        (None, "viewer", False),
    ]
    (account,) = [each for each in served.read("account", "list")["items"] if each["code"] == "cli-all"]
    assert (account["name"], account["currency"], account["rounding"]) == ("All of it", "JPY", "down")
    for listing in (["account", "list"], ["project", "list", "cli-all"], ["member", "list", "cli-all"]):
        said = say(*listing)
        assert (said.code, said.err) == (0, "")
        assert "cli-all" in said.out


def test_what_was_given_of_an_account_is_changed_and_taken_away(served: Served) -> None:
    served.account("cli-terms")
    change = ("account", "change", "cli-terms")
    assert served.read(*change, "--billing-email", "bills@cli.example")["billing_email"] == "bills@cli.example"
    assert served.read(*change, "--tax-percent", "10")["billing_email"] == "bills@cli.example"
    changed = served.read(*change, "--billing-email", "")
    assert (changed["billing_email"], changed["tax_percent"]) == (None, "10")


def test_an_account_is_closed_and_opened_again(served: Served) -> None:
    served.account("cli-left", projects=["cli-left", "cli-left-idle"])
    secret = served.key("events", "cli-left")
    event_ = event("cli-left", "host.seen", "2026-06-01T00:30:00Z")
    assert served.api("POST", "/events", secret, json=[event_]).status_code == 200
    closed = served.read("account", "change", "cli-left", "--close")
    assert closed["closed_at"] is not None
    assert served.read("account", "change", "cli-left", "--close") == closed
    assert served.api("POST", "/events", secret, json=[event_]).status_code == 401
    projects = served.get("/projects", account="cli-left")["items"]
    assert [(each["deleted_at"], each["status"]) for each in projects] == [(closed["closed_at"], "deleted")] * 2
    assert served.read("project", "list", "cli-left")["items"] == projects
    body = {"account": "cli-left", "code": "cli-later"}
    assert served.api("POST", "/projects", json=body).status_code == 409
    assert served.read("account", "change", "cli-left", "--reopen")["closed_at"] is None
    # where usage went a moment ago is remembered for some seconds: nothing was sent to this one
    fresh, late = served.key("events", "cli-left"), event("cli-left-idle", "host.seen", "2026-06-02T00:30:00Z")
    (rejected,) = served.api("POST", "/events", fresh, json=[late]).json()["rejected"]
    assert rejected["reason"] == "the project is closed and takes no more usage: cli-left-idle"
    served.account("cli-foreign")
    (foreign,) = served.api("POST", "/events", served.key("events", "cli-foreign"), json=[late]).json()["rejected"]
    assert foreign["reason"] == "unknown project: cli-left-idle"
    assert served.api("PATCH", "/projects/cli-left-idle", json={"deleted": False}).json()["status"] == "subscribed"
    assert served.api("POST", "/events", fresh, json=[late]).json()["accepted"] == 1
    assert served.api("POST", "/projects", json=body).status_code == 201


# --- the catalog


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.toml"


def test_a_catalog_mistake_names_line_and_field(served: Served, say: Any, file: Path) -> None:
    before = served.get("/catalog")
    wrong = PRODUCTS.replace('unit_price = "12.00"', 'unit_price = "12,00"').replace('kind = "gauge"', 'kind = "gouge"')
    file.write_text(wrong, encoding="utf-8")
    lines = wrong.split("\n")
    places = [lines.index('unit_price = "12,00"') + 1, next(n for n, text in enumerate(lines, 1) if "gouge" in text)]
    for command in ("check", "diff", "apply"):
        said = say("catalog", command, file)
        assert (said.code, said.out) == (1, "")
        told = said.err.splitlines()
        assert told[0].startswith(f"{file}:{places[0]}: products.prices.unit_price: ")
        assert told[1].startswith(f"{file}:{places[1]}: products.meter.kind: ")
    file.write_text("version = \n")
    assert say("catalog", "check", file).err.startswith(f"{file}:1: ")
    file.write_text("")
    assert say("catalog", "check", file).err.startswith(f"{file}:1: version: ")
    assert served.get("/catalog") == before


def test_a_price_in_use_is_followed_and_never_changed(served: Served, say: Any, file: Path) -> None:
    served.account("cli-used", projects=["cli-used"])
    served.send([event("cli-used", "host.seen", "2026-06-01T00:30:00Z")])
    before = served.get("/catalog")
    file.write_text(PRODUCTS.replace('unit_price = "12.00"', 'unit_price = "13.00"'), encoding="utf-8")
    assert say("catalog", "check", file).code == 0
    said = say("catalog", "apply", file)
    assert (said.code, said.out) == (1, "")
    assert "the price of server in USD from 2010-01-01T00:00:00Z cannot be changed" in said.err
    assert served.get("/catalog") == before
    following = 'currency = "USD"\nfrom = 2190-01-01T00:00:00Z\nmodel = "per_unit"\nper = "month"\nunit_price = "13.00"'
    file.write_text(
        PRODUCTS.replace('unit_price = "12.00"\n', f'unit_price = "12.00"\n\n[[products.prices]]\n{following}\n'),
        encoding="utf-8",
    )
    shown = say("catalog", "diff", file)
    assert (shown.code, shown.out) == (0, "price of server in USD from 2190-01-01T00:00:00Z added\n")
    assert served.get("/catalog") == before
    assert say("catalog", "apply", file).out == shown.out
    assert say("catalog", "apply", file).out.startswith("Nothing changed")
    assert say("catalog", "apply", CATALOG, "--json").json()["changes"] != []
    assert served.get("/catalog") == before


# --- reading


def test_usage_and_preview_for_people_and_for_programs(served: Served, say: Any) -> None:
    served.account("cli-read", "USD", "--tax-percent", "10", projects=["cli-read"])
    served.send([event("cli-read", "request.count", f"2026-06-0{day}T00:30:00Z", "500000") for day in (1, 2, 3)])
    usage = ["usage", "--project", "cli-read", "--from", "2026-06-01", "--until", "2026-07-01"]
    items = served.read(*usage)["items"]
    assert [(item["starts_at"], item["quantity"]) for item in items] == [
        (f"2026-06-0{day}T00:00:00Z", "500000") for day in (1, 2, 3)
    ]
    assert [item["resource"] for item in served.read(*usage, "--group-by", "resource")["items"]] == ["lb"] * 3
    said = say(*usage, "--window", "hour")
    assert "2026-06-02T00:00:00Z" in said.out
    assert "data through 2026-06-03T01:00:00Z" in said.out
    preview = say("preview", "--account", "cli-read", "--month", "2026-06")
    assert (preview.code, preview.err) == (0, "")
    assert "0.0004 x 1,500,000" in preview.out
    for amount in ("600.00", "60.00", "660.00"):
        assert amount in preview.out
    assert "cli-read" in say("preview", "--account", "cli-read", "--month", "2026-06", "--by", "product").out


# --- keys


def test_keys_are_made_listed_and_revoked(served: Served, say: Any) -> None:
    served.account("cli-keys", projects=["cli-keys"])
    said = say("key", "create", "--scope", "account", "--account", "cli-keys", "--project", "cli-keys", "--name", "CI")
    key = said.out.strip()
    assert (said.code, said.err, said.out) == (0, "", f"{key}\n")
    assert KEY_FORM.fullmatch(key)
    (item,) = served.read("key", "list", "--account", "cli-keys")["items"]
    assert (item["name"], item["scope"], item["revoked_at"]) == ("CI", "account", None)
    assert served.api("GET", "/accounts", key).status_code == 200
    assert say("key", "revoke", item["prefix"]).out == f"Key {item['prefix']} is revoked.\n"
    assert served.api("GET", "/accounts", key).status_code == 401
    assert key not in say("key", "list").out


# --- credit by hand, jobs and the webhook


def test_credit_is_given_and_taken_back_by_commands(served: Served, say: Any) -> None:
    served.account("cli-credit", projects=["cli-credit"])
    said = say("balance", "give-credit", "cli-credit", "20", "--name", "Outage")
    assert (said.code, said.err) == (0, "")
    (credit,) = served.get("/balance", account="cli-credit")["credits"]
    assert said.out == f"Credit {credit['id']}, USD 20.00, is given to cli-credit.\n"
    assert (credit["name"], credit["by_hand"], credit["left"]) == ("Outage", True, "20.00")
    assert say("balance", "take-credit", "cli-credit", credit["id"]).code == 0
    assert served.get("/balance", account="cli-credit")["credit"] == "0.00"
    again = say("balance", "take-credit", "cli-credit", credit["id"])
    assert (again.code, again.err) == (1, "meterbook: Nothing of this credit is left.\n")


def test_what_the_operator_asks_of_jobs_and_the_webhook(say: Any) -> None:
    assert say("job", "list", "--json").code == 0
    assert say("job", "retry", "deliver").out == "Jobs deliver that are tried again: 0.\n"
    assert say("job", "dismiss", "deliver").out == "Jobs deliver that are put aside: 0.\n"
    said = say("webhook", "ping")
    assert (said.code, said.out) == (1, "")
    assert "METERBOOK_WEBHOOK_URL" in said.err


def test_a_month_of_the_books_adds_up(say: Any) -> None:
    said = say("report", "--month", "2026-07")
    assert (said.code, said.err) == (0, "")
    assert "2026-07" in said.out
    assert say("report", "--month", "2026-7").code == 1
