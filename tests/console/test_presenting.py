"""How the console presents a draft: what stands where, and how each language writes it."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from meterbook.console.address import HOME, PREVIEW, PreviewState, opened_in, way_back
from meterbook.console.chart import chart_data, colour_of, present_chart, seen
from meterbook.console.formats import NOTHING, formats
from meterbook.console.languages import LANGUAGES, chosen, translations
from meterbook.console.my_usage.present_bill import Scope
from meterbook.console.my_usage.present_preview import Preview, present_preview
from meterbook.console.plot_state import PlotState
from meterbook.core.daily import daily_costs
from meterbook.core.invoice import draft
from meterbook.core.metering import Meter, MeterKind
from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth, BillingZone, day_starts
from meterbook.core.pricing import Per, Price, PriceModel, Product
from meterbook.core.rating import Frame, Part, Waiver
from meterbook.core.terms import AccountTerms, ProjectTerms, Use

REPOSITORY = Path(__file__).resolve().parents[2]
UTC_ZONE = BillingZone("UTC")
JUNE = BillingMonth(2026, 6)
FRAME = Frame(JUNE, UTC_ZONE)
USD = currency("USD")
NOW = datetime(2026, 6, 12, 6, tzinfo=UTC)
LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
PRICE_CHANGE = datetime(2026, 6, 5, tzinfo=UTC)
NAMES = {"en": "Server", "ko": "서버", "ja": "サーバー"}


def per_month(amount: str, since: datetime = LONG_AGO) -> Price:
    return Price("USD", since, PriceModel.per_unit, Per.month, Decimal(amount))


SERVER = Product("server", NAMES, "host", Meter("host.seen", MeterKind.presence), (per_month("12.00"),))
CHANGED = replace(SERVER, code="apm", name={"en": "APM"}, prices=(per_month("40.00"), per_month("44.00", PRICE_CHANGE)))
REQUESTS = Product(
    "requests",
    {"en": "Requests"},
    "request",
    Meter("request.count", MeterKind.counter),
    (Price("USD", LONG_AGO, PriceModel.per_unit, Per.quantity, Decimal("0.0004")),),
)
WEB = ProjectTerms("web", "Web")
TRIAL = ProjectTerms("beta", "Beta", datetime(2026, 7, 1, tzinfo=UTC))
POSITIONS = {"server": 0, "apm": 1, "requests": 2}


def use(project: ProjectTerms, product: Product, an_hour: int) -> Use:
    starts = day_starts(FRAME.starts_at, NOW, UTC_ZONE)
    parts = tuple(
        Part(start, end, Fraction(an_hour * 24 if end != NOW else an_hour * 6), 24 if end != NOW else 6)
        for start, end in zip(starts, [*starts[1:], NOW], strict=True)
    )
    return Use(project, product, parts, Fraction(an_hour))


def preview(by: str = "project", opened: str = "", language: str = "en", now: datetime = NOW) -> Preview:
    uses = (use(WEB, SERVER, 3), use(WEB, CHANGED, 1), use(WEB, REQUESTS, 100), use(TRIAL, SERVER, 1))
    drafted = draft(AccountTerms("acme", USD, Decimal(10)), FRAME, uses, NOW, NOW - timedelta(hours=1))
    state = PreviewState("acme", JUNE, by, opened_in(opened))  # type: ignore[arg-type]
    return present_preview(drafted, daily_costs(drafted, uses), state, Scope(2, False), language, now, POSITIONS)


def test_a_project_opens_into_its_products_with_their_formulas() -> None:
    beta, web = preview(opened="web").groups
    assert (web.name, web.is_open, beta.is_open) == ("Web", True, False)
    assert [(line.name, str(line.total_cost)) for line in web.lines] == [
        ("Server", "13.50"),
        ("APM", "5.33"),
        ("APM", "10.63"),
        ("Requests", "10.80"),
    ]
    assert web.lines[0].formula == "12.00 x 810 h / 720 h"
    assert str(web.total_cost) == "40.26"


def test_a_line_says_its_part_of_the_month_only_when_it_is_a_part() -> None:
    server, before, after, _ = preview(opened="*").groups[1].lines
    assert server.from_at is None
    assert before.until_at == after.from_at == PRICE_CHANGE


def test_a_counter_has_no_hours_and_free_usage_costs_nothing() -> None:
    beta, web = preview(opened="*").groups
    assert (web.lines[3].total_time, web.lines[3].average_cost) == (None, None)
    assert (beta.waiver, beta.lines[0].waiver, str(beta.total_cost)) == (Waiver.trial, Waiver.trial, "0.00")
    assert beta.lines[0].average_cost == Decimal("0.0000")
    assert web.waiver is None


def test_by_product_the_lines_are_projects_and_the_total_is_the_same() -> None:
    page = preview("product", "*")
    server = next(group for group in page.groups if group.key == "server")
    assert [line.name for line in server.lines] == ["Web", "Beta"]
    assert server.colour == colour_of("server", POSITIONS)
    assert page.total == preview().total


def test_the_open_month_has_a_forecast_and_no_month_after_it() -> None:
    page = preview()
    assert (page.is_open, page.next, page.previous) == (True, None, BillingMonth(2026, 5))
    assert page.last_day == date(2026, 6, 30)
    assert preview(now=NOW + timedelta(days=60)).next == BillingMonth(2026, 7)


def test_the_days_of_the_chart_add_up_to_the_subtotal() -> None:
    page = preview()
    assert page.chart is not None
    days = [total for total in page.chart.totals if total is not None]
    assert sum(days[1:], days[0]) == page.subtotal
    assert (len(page.chart.days), len(days), page.chart.open_day) == (30, 12, 11)


def test_the_chart_carries_amounts_as_text() -> None:
    page = preview()
    assert page.chart is not None
    data = chart_data(page.chart, formats("ko"), "진행 중")
    assert data["series"][0]["heights"][0] == "1.20"
    assert data["series"][0]["amounts"][20] == NOTHING
    assert data["totals"][0].startswith("US$")
    assert data["days"][0]["label"] == "6월 1일 (월)"


def test_bars_stand_on_each_other_below_the_highest_line() -> None:
    chart = preview().chart
    assert chart is not None
    assert [str(tick.value) for tick in chart.ticks] == ["0.00", "1.00", "2.00", "3.00", "4.00"]
    assert [tick.top for tick in chart.ticks] == [1000, 750, 500, 250, 0]
    lowest, *_, highest = chart.stacks[0]
    assert lowest.top + lowest.height == 1000
    assert sum(bar.height for bar in chart.stacks[0]) == 1000 - highest.top
    assert chart.stacks[20] == ()


def test_the_month_before_is_a_line_with_a_gap_where_nothing_was_metered() -> None:
    drafted = draft(AccountTerms("acme", USD, Decimal(10)), FRAME, (use(WEB, SERVER, 1),), NOW, NOW)
    daily = daily_costs(drafted, (use(WEB, SERVER, 1),))
    gap = replace(daily.series[0], costs=(daily.series[0].costs[0], None, *daily.series[0].costs[2:]))
    chart = present_chart(daily, "en", POSITIONS, None, before=replace(daily, series=(gap,)), href=str)
    assert chart is not None
    assert chart.before_line.startswith("M50 0M250 0L350 0")
    assert chart.hrefs[0] == "2026-06-01"
    running = present_chart(daily, "en", POSITIONS, daily.days[20], href=str)
    assert running is not None
    assert (running.hrefs[20], running.hrefs[21:]) == ("2026-06-21", ("",) * 9), "days to come lead nowhere"
    assert chart_data(chart, formats("en"), "")["before"]["amounts"][:2] == ["$0.40", NOTHING]


def test_a_product_that_is_left_out_leaves_the_bars_alone() -> None:
    whole = preview().chart
    chart = seen(whole, PlotState(frozenset({"apm", "no-such"}), True), lambda plot: plot.fields["hide"])
    assert whole is not None
    assert chart is not None
    assert (chart.totals, chart.series, chart.before_line) == (whole.totals, whole.series, whole.before_line)
    assert not chart.is_whole
    # a day: server 12.00 x 72 h / 720 h = 1.20, requests 0.0004 x 2,400 = 0.96; apm's 40.00 x 24 h / 720 h is left out
    assert [str(tick.value) for tick in chart.ticks] == ["0.00", "0.50", "1.00", "1.50", "2.00", "2.50"]
    server, apm, requests = chart.stacks[0]
    assert (apm.height, apm.top, requests.top + requests.height) == (0, server.top, server.top)
    hides = [href.removesuffix("#chart-title") for href in chart.toggles]
    assert hides == ["apm,no-such,server", "no-such", "apm,no-such,requests"]
    nothing = seen(whole, PlotState(frozenset({"server", "apm", "requests"})), str)
    assert nothing is not None
    assert {bar.height for stack in nothing.stacks for bar in stack} == {0}
    assert [str(tick.value) for tick in nothing.ticks] == ["0", "1"]
    unknown = seen(whole, PlotState(frozenset({"no-such"})), str)
    assert unknown is not None
    assert (unknown.is_whole, unknown.stacks) == (True, whole.stacks)
    assert seen(None, PlotState(), str) is None


def test_nothing_metered_makes_no_chart() -> None:
    drafted = draft(AccountTerms("acme", USD, Decimal(0)), FRAME, (), NOW, None)
    assert present_chart(daily_costs(drafted, ()), "en", {}, None) is None


@pytest.mark.parametrize(
    ("language", "dollars", "won", "month", "hours", "clock", "moment"),
    [
        ("en", "-$1,204.18", "₩253,333", "June 2026", "2,232.5 h", "Jun 12 06:00", "Jun 12, 2026 06:00"),
        ("ko", "-US$1,204.18", "₩253,333", "2026년 6월", "2,232.5시간", "6월 12일 06:00", "2026. 6. 12. 06:00"),
        ("ja", "-$1,204.18", "₩253,333", "2026年6月", "2,232.5時間", "6月12日 06:00", "2026/06/12 06:00"),
    ],
)
def test_each_language_writes_figures_its_own_way(
    language: str, dollars: str, won: str, month: str, hours: str, clock: str, moment: str
) -> None:
    written = formats(language)
    assert written.money(Money(-120418, USD)) == dollars
    assert written.money(Money(253333, currency("KRW"))) == won
    assert written.month(JUNE) == month
    assert written.hours(Fraction(4465, 2)) == hours
    assert written.clock(NOW) == clock
    assert written.moment(NOW) == moment


def test_amounts_keep_their_decimals_and_nothing_is_a_dash() -> None:
    written = formats("en")
    assert written.amount(Money(0, USD)) == "0.00"
    assert written.amount(Money(1234567, currency("KWD"))) == "1,234.567"
    assert written.fixed(Decimal("0.0560")) == "0.0560"
    assert written.amount(None) == written.fixed(None) == written.hours(None) == written.number(None) == NOTHING
    assert written.percent(Decimal("8.25")) == "8.25%"
    assert written.number(Fraction(19, 3)) == "6.33"


@pytest.mark.parametrize("language", LANGUAGES)
def test_formulas_write_prices_with_their_thousands_apart(language: str) -> None:
    written = formats(language)
    assert written.formula("14000 x 4,793 h / 720 h") == "14,000 × 4,793 h / 720 h"  # noqa: RUF001
    assert written.formula("(14000.50 x 7,200.5 h + 0.00012 x 9 h) / 720 h").startswith("(14,000.50 × 7,200.5 h + 0.0")  # noqa: RUF001


def test_the_largest_quantities_are_written() -> None:
    assert formats("en").number(Fraction(10**29) + Fraction(1, 4)) == f"{10**29:,}.25"
    assert (
        formats("ko").fixed(Decimal("12345678901234567890123456789.10")) == "12,345,678,901,234,567,890,123,456,789.10"
    )


def test_formulas_are_translated_but_for_their_numbers() -> None:
    formula = "0.90 x 20 packages of 1,000 (19,500 - 500 free)"
    assert formats("en").formula(formula) == "0.90 × 20 packages of 1,000 (19,500 - 500 free)"  # noqa: RUF001
    assert formats("ko").formula(formula) == "0.90 × 20 묶음, 묶음당 1,000 (19,500 - 500 무료)"  # noqa: RUF001
    assert formats("ja").formula("minimum 100.00 (used: 5)") == "最低金額 100.00 (使用: 5)"


@pytest.mark.parametrize(
    ("unit", "quantity", "written"),
    [
        ("host", "3", "hosts"),
        ("host", "1", "host"),
        ("query", "2", "queries"),
        ("box", "2", "boxes"),
        ("million lines", "2", "million lines"),
        ("GB", "2", "GB"),
        ("시간", "2", "시간"),
    ],
)
def test_english_says_more_than_one(unit: str, quantity: str, written: str) -> None:
    assert formats("en").plural(unit, Decimal(quantity)) == written


def test_common_units_are_written_in_the_language() -> None:
    assert [formats(language).plural("host", Decimal(2)) for language in LANGUAGES] == ["hosts", "호스트", "ホスト"]
    assert [formats(language).unit("million lines") for language in LANGUAGES] == [
        "million lines",
        "백만 줄",
        "100万行",
    ]
    assert {formats(language).plural("parsec", Decimal(1)) for language in LANGUAGES} == {"parsec"}


def test_the_address_carries_what_is_open() -> None:
    keys = frozenset({"web", "beta"})
    state = PreviewState("acme", JUNE, "project", frozenset())
    assert state.href() == f"{PREVIEW}?account=acme&month=2026-06&by=project"
    opened = state.toggled("web", keys)
    assert opened.href() == f"{PREVIEW}?account=acme&month=2026-06&by=project&open=web"
    assert opened.toggled("web", keys) == state
    assert state.toggled("*", keys).everything_is_open
    assert state.toggled("*", keys).toggled("web", keys).opened == {"beta"}
    assert state.toggled("stranger", keys) == state
    far = replace(opened, wanted="we b&", page=3)
    assert far.href().endswith("&open=web&q=we+b%26&page=3")
    assert (far.grouped("product").wanted, far.in_month(JUNE).page, far.on_page(2).opened) == ("", 1, frozenset())
    assert far.csv_href() == f"{PREVIEW}.csv?account=acme&month=2026-06&by=project&q=we+b%26"
    plotted = far.plotted(PlotState(frozenset({"server", "a pm"}), True))
    assert plotted.href() == f"{far.href()}&hide=a+pm,server&table=1"
    assert plotted.in_month(JUNE).grouped("product").toggled("web", keys).plot == plotted.plot
    assert plotted.csv_href() == far.csv_href()


@pytest.mark.parametrize(
    ("asked", "remembered", "own", "accepted", "language"),
    [
        ("ja", "ko", "en", "en", "ja"),
        (None, "ko", "ja", "en", "ko"),
        (None, None, "ja", "ko", "ja"),
        ("xx", "<script>", None, "fr;q=0.9, ko-KR;q=0.8, en;q=0.1", "ko"),
        (None, None, None, "fr, de;q=x", "en"),
        (None, None, None, None, "en"),
    ],
)
def test_the_language_is_the_nearest_known(
    asked: str | None, remembered: str | None, own: str | None, accepted: str | None, language: str
) -> None:
    assert chosen(asked, remembered, own, accepted) == language


def test_every_text_is_translated() -> None:
    script = [sys.executable, str(REPOSITORY / "scripts/update_messages.py"), "--check"]
    answer = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_words_are_the_ones_that_were_agreed() -> None:
    words = {
        "Invoice preview": ("청구서 미리보기", "請求書プレビュー"),
        "Metered units": ("과금 집계량", "課金集計量"),
        "Total time": ("시간 합", "合計時間"),
        "Average cost": ("평균 비용", "平均費用"),
        "Total cost": ("비용 합", "費用合計"),
        "By project": ("프로젝트별", "プロジェクト別"),
        "By product": ("제품별", "製品別"),
        "Expand all": ("전체 펼치기", "すべて展開"),
        "My usage": ("이용내역", "利用内訳"),
    }
    for english, translated in words.items():
        assert tuple(translations(language).gettext(english) for language in ("ko", "ja")) == translated
    assert set(LANGUAGES) == {"en", "ko", "ja"}


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/sign-out",
        "invoice-preview",
        "",
        "http:evil.example",
    ],
)
def test_the_way_back_never_leaves_the_console(wanted: str) -> None:
    assert way_back(wanted) == HOME


def test_the_way_back_is_the_page_that_was_asked_for() -> None:
    assert way_back("/invoice-preview?account=acme&open=web,api") == "/invoice-preview?account=acme&open=web,api"
