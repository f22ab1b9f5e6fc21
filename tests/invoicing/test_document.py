"""The paper of invoices and credit notes: what it says, in which words and glyphs, how fast, and always the same."""
# ruff: noqa: RUF001 - the signs that printers use: minus, times, dashes

import re
import time
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from meterbook.console.formats import formats as console_formats
from meterbook.core.invoice import Adjustment
from meterbook.core.metering import Meter, MeterKind
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.pricing import FreeUnit, Per, Price, PriceModel, Product
from meterbook.core.rating import Frame, Part, Waiver, rate
from meterbook.core.terms import ProjectTerms, TaxClass
from meterbook.formats import Formats
from meterbook.invoicing.document import render
from meterbook.invoicing.document_texts import WORDS, texts_of
from tests.invoicing.papers import APM, CREDIT_NOTE, INVOICE, JUNE, SERVER, USD, long_invoice, renamed, usd
from tests.invoicing.reading import pages_of, text_of, tight

LANGUAGES = ("en", "ko", "ja")
SECTIONS = tomllib.loads(WORDS.read_text(encoding="utf-8"))


def formats(language: str) -> Formats:
    return Formats(language, {english: words[language] for english, words in SECTIONS["formula"].items()})


def words(language: str) -> dict[str, str]:
    return {
        name: word[language]
        for section, names in SECTIONS.items()
        if section != "formula"
        for name, word in names.items()
    }


@pytest.mark.parametrize(
    ("language", "figures"),
    [
        ("en", "July 3, 2026|July 25, 2026|June 2026|Jun 1 – 30, 2026|$107.04|2,880 h|Jun 1 – 15"),
        (
            "ko",
            "2026년 7월 3일|2026년 7월 25일|2026년 6월|2026년 6월 1일~30일|US$107.04|2,880시간|6월 1일~15일",
        ),
        (
            "ja",
            "2026年7月3日|2026年7月25日|2026年6月|2026年6月1日～30日|$107.04|2,880時間|6月1日～15日",
        ),
    ],
)
def test_an_invoice_says_everything_in_each_language(language: str, figures: str) -> None:
    paper = tight(text_of(render(replace(INVOICE, language=language))))
    assert [figure for figure in figures.split("|") if tight(figure) not in paper] == []
    always = (
        "INV-2026-000042|Asia/Seoul|USD|GB1234|GB9876|pay@example.org|Welcome|40.00 × 2,880 h / 720 h|Account 12-34-56"
    )
    assert [text for text in always.split("|") if tight(text) not in paper] == []
    elsewhere = re.compile(
        r"credit_note|credited|amount_credited|what_is|corrects|reason|adjustment|by_card|nothing_due"
    )
    for name, word in words(language).items():
        if not elsewhere.match(name) and name not in {*TaxClass, "card", "send_invoice"}:
            literal = [re.escape(tight(part)) for part in re.split(r"\{\w+\}", word)]
            assert re.search(".+".join(literal), paper), (name, word)


@pytest.mark.parametrize("language", ["ko", "ja"])
def test_the_words_are_the_ones_that_were_agreed(language: str) -> None:
    agreed = {
        "invoice_id": ("청구 ID", "請求ID"),
        "invoice_date": ("청구일", "請求日"),
        "payment_due": ("납부기한", "支払期限"),
        "target_month": ("대상월", "対象月"),
        "target_period": ("대상 기간", "対象期間"),
        "currency": ("청구 통화", "請求通貨"),
        "registration_number": ("사업자 등록 번호", "法人登録番号"),
        "usage_amount": ("당월 사용금액 (부가세 제외)", "当月使用額(税別)"),
        "unpaid": ("미납 (생성시)", "未払い(生成時)"),
        "including_unpaid": ("청구금액 (미납금 포함)", "請求額(未払込み)"),
        "balance_used": ("선납금 차감", "前払金差引"),
        "payment_method": ("결제 수단", "決済方法"),
        "bank_transfer": ("계산서 발행", "請求書発行"),
        "send_invoice": ("청구서 발송", "請求書の発送"),
        "unit_price": ("단가", "単価"),
        "charge": ("비용", "費用"),
    }
    for name, (korean, japanese) in agreed.items():
        assert words(language)[name] == (korean if language == "ko" else japanese)


def test_the_way_from_usage_to_the_amount_due_adds_up() -> None:
    steps = texts_of(INVOICE)["steps"]
    assert [(step["label"], step["detail"], step["amount"]) for step in steps] == [
        ("Usage before discounts", "", "220.00"),
        ("Welcome", "WELCOME15 · 15% on APM", "−24.00"),
        ("Partner", "10%", "−19.60"),
        ("Thank you", "THANKS", "−30.00"),
        ("Monthly usage amount (excl. tax)", "", "146.40"),
        ("Tax 10%", "on 146.40", "14.64"),
        ("Invoice amount", "", "161.04"),
        ("Unpaid at issue", "", "6.00"),
        ("Invoice amount (incl. unpaid)", "", "167.04"),
        ("Charge from credit", "", "−20.00"),
        ("Charge from balance", "", "−40.00"),
        ("Amount due", "", "$107.04"),
    ]
    drawn = [step["span"] for step in steps if step["kind"] == "step"]
    assert drawn[0] == (22000, 19600)
    assert drawn[-1] == (14704, 10704)
    paper = text_of(render(INVOICE))
    assert [step["amount"] for step in steps if step["amount"] not in paper] == []


def test_lines_stand_by_project_with_their_discounts() -> None:
    web, api = texts_of(INVOICE)["projects"]
    assert (web["name"], web["code"], web["total"]) == ("Web shop", "web", "101.58")
    assert (api["name"], api["code"], api["total"]) == ("api", None, "44.82")
    assert web["lines"][0]["figures"] == ["2,880 h", "40.00", "160.00", "−58.42", "101.58"]
    assert web["lines"][0]["notes"] == ["40.00 × 2,880 h / 720 h"]
    assert api["lines"][0]["notes"] == ["Jun 1 – 15", "12.00 × 3,600 h / 720 h"]


def test_columns_that_say_nothing_are_left_out() -> None:
    bare = replace(APM, discount=usd("0.00"), quantity=None, unit_price=None)
    plain = replace(
        INVOICE,
        lines=(bare,),
        discounts=(),
        subtotal=bare.amount,
        net=bare.amount,
        tax=(),
        total=bare.amount,
    )
    assert texts_of(plain)["head"] == ["Line", "Product", "Charge"]
    assert [step["label"] for step in texts_of(plain)["steps"]][:2] == [
        "Monthly usage amount (excl. tax)",
        "Invoice amount",
    ]


def test_an_adjustment_names_its_month_and_may_be_negative() -> None:
    late = replace(
        SERVER,
        amount=usd("-0.40"),
        discount=usd("0.00"),
        formula="11.60 now - 12.00 billed",
        quantity=None,
        unit_price=None,
        period=None,
        adjusts_month=BillingMonth(2026, 5),
    )
    adjusted = replace(
        INVOICE,
        lines=(*INVOICE.lines, late),
        subtotal=usd("219.60"),
        net=usd("146.00"),
        total=usd("160.64"),
    )
    line = texts_of(adjusted)["projects"][1]["lines"][1]
    assert line["notes"] == ["Adjustment for May 2026", "11.60 now − 12.00 billed"]
    assert line["figures"] == ["–", "–", "−0.40", "0.00", "−0.40"]
    assert "−0.40" in text_of(render(adjusted))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_credit_note_says_what_it_corrects_and_why(language: str) -> None:
    paper = tight(text_of(render(replace(CREDIT_NOTE, language=language))))
    for said in ("CN-2026-000003", "INV-2026-000042", "Three hosts were counted twice.", "11.00", "Web shop"):
        assert tight(said) in paper
    for name in (
        "credit_note",
        "credit_note_id",
        "credit_note_date",
        "amount_credited",
        "corrects",
        "reason",
        "credited",
    ):
        assert tight(words(language)[name]) in paper
    assert tight(words(language)["unpaid"]) not in paper


def test_how_to_pay_depends_on_the_method_and_on_what_is_due() -> None:
    transfer = text_of(render(INVOICE))
    assert "Please pay by July 25, 2026, and state INV-2026-000042 with your payment." in transfer
    assert "Account 12-34-56" in transfer
    card = text_of(render(replace(INVOICE, payment_method="card", payment_label="Visa ending 4242")))
    assert "Card (Visa ending 4242)" in card
    assert "The amount due is charged to your card on July 25, 2026." in card
    assert "Example Bank" not in card
    paid = text_of(render(replace(INVOICE, balance_used=usd("147.04"))))
    assert "Nothing is left to pay." in paid
    assert "Example Bank" not in paid


@pytest.mark.parametrize("tax_class", [each for each in TaxClass if each is not TaxClass.standard])
@pytest.mark.parametrize("language", LANGUAGES)
def test_why_there_is_no_tax_is_written_down(language: str, tax_class: TaxClass) -> None:
    paper = text_of(render(replace(INVOICE, language=language, tax_class=tax_class)))
    assert tight(SECTIONS["tax"][tax_class.value][language]) in tight(paper)


@pytest.mark.parametrize(
    "name",
    [
        '#eval("1+1") *bold* _it_ $x^2$ @ref <label> \\ `raw` // gone /* gone */ [x] = y - z',
        '"}; #panic() {"',
        "{name} {date} {number} %(name)s",
        "&amp; <script>alert(1)</script>",
    ],
)
def test_names_are_printed_as_they_are(name: str) -> None:
    pages = pages_of(render(renamed(name)))
    # Seller, buyer, three discounts, the instruction, two projects and their products; and the foot of each page.
    assert tight("".join(pages)).count(tight(name)) == 10 + len(pages)


def test_a_long_name_without_a_space_stays_on_the_page() -> None:
    lines = text_of(render(renamed("W" * 200))).splitlines()
    assert max(len(line) for line in lines if set(line) == {"W"}) < 100
    assert "W" * 200 in "".join(lines)


def test_a_name_in_any_script_is_written() -> None:
    name = "🚀 ไทย مرحبا हिन्दी Ελλάδα 😀"
    assert set(tight(name)) <= set(text_of(render(renamed(name))))


def test_a_name_that_no_font_has_still_gets_an_invoice() -> None:
    assert "INV-2026-000042" in text_of(render(renamed("\U00012000 \ue000 \x07")))


def test_the_head_and_the_project_stand_on_every_page() -> None:
    pages = pages_of(render(long_invoice(60)))
    assert len(pages) >= 3
    for number, page in enumerate(pages, start=1):
        assert f"{number} / {len(pages)}" in page.splitlines()
        assert {"Line", "Product", "Unit price", "Charge"} <= set(page.splitlines())
        assert "project-" in page


def test_five_hundred_lines_take_less_than_two_seconds() -> None:
    render(INVOICE)
    document = long_invoice(500)
    start = time.perf_counter()
    pdf = render(document)
    assert time.perf_counter() - start < 2
    numbers = {line for page in pages_of(pdf) for line in page.splitlines()}
    assert {str(number) for number in range(1, 501)} <= numbers


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_document_is_the_same_file(language: str) -> None:
    document = replace(INVOICE, language=language)
    first = render(document)
    assert first == render(replace(document))
    assert first != render(replace(document, number="INV-2026-000043"))
    assert b"D:20260703000000Z" in first


@pytest.mark.parametrize(("language", "face"), [("en", "jp"), ("ko", "kr"), ("ja", "jp")])
def test_glyphs_have_the_forms_of_the_language(language: str, face: str) -> None:
    named = replace(renamed("直骨令刃"), language=language)
    pdf = render(named)
    fonts = set(re.findall(rb"/BaseFont/\w{6}\+([\w-]+)", pdf))
    assert {font.decode() for font in fonts} == {f"NotoSansCJK{face}-Thin"}
    assert "直骨令刃" in text_of(pdf)


def test_a_document_that_does_not_add_up_is_never_printed() -> None:
    for wrong in ({"subtotal": usd("220.01")}, {"net": usd("146.41")}, {"total": usd("161.05")}, {"discounts": ()}):
        with pytest.raises(AssertionError):
            replace(INVOICE, **wrong)


def test_every_word_is_there_in_every_language() -> None:
    every = {name: word for section in SECTIONS.values() for name, word in section.items()}
    assert len(every) == sum(len(section) for section in SECTIONS.values())
    missing = [name for name, word in every.items() if set(word) != set(LANGUAGES) or not all(word.values())]
    assert missing == []
    blanks = re.compile(r"\{\w+\}")
    uneven = [
        name for name, word in every.items() if len({tuple(sorted(blanks.findall(t))) for t in word.values()}) > 1
    ]
    assert uneven == []


def test_no_word_is_left_over() -> None:
    code = (WORDS.parent / "document_texts.py").read_text(encoding="utf-8")
    by_value = {*TaxClass, "invoice", "credit_note", "card", "bank_transfer", "send_invoice"}
    assert [name for name in words("en") if name not in by_value and not re.search(rf"['\"]{name}['\"]", code)] == []


def formulas() -> list[str]:
    """Return formulas with every word that the core writes."""
    frame = Frame(JUNE, BillingZone("UTC"))
    start, half = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 6, 16, tzinfo=UTC)
    parts = [Part(frame.starts_at, half, Fraction(1500), 360), Part(half, frame.ends_at, Fraction(900), 360)]
    package = Price("USD", start, PriceModel.package, Per.quantity, Decimal("0.90"), package_size=Decimal(100))
    free = replace(package, free_quantity=Decimal(500), free_unit=FreeUnit.quantity)
    least = [replace(package, effective_from=at, minimum_amount=Decimal(99)) for at in (start, half)]
    written = []
    for prices, until, waiver in (
        ([package], half, Waiver.trial),
        ([free], half, Waiver.free),
        ([free], None, Waiver.trial),
        (least, None, Waiver.trial),
        ([replace(package, effective_from=half)], None, Waiver.trial),
    ):
        product = Product("r", {"en": "r"}, "request", Meter("r", MeterKind.counter), tuple(prices))
        written += [charge.formula for charge in rate(product, parts, frame, USD, until, waiver)]
    late = Adjustment(ProjectTerms("web", "Web"), product, JUNE, usd("2.00"), usd("1.00"), usd("1.00"), Decimal(10))
    return [*written, late.formula]


@pytest.mark.parametrize("language", ["ko", "ja"])
def test_no_english_is_left_in_a_formula(language: str) -> None:
    english = formulas()
    assert [word for word in SECTIONS["formula"] if not any(word in formula for formula in english)] == []
    written = [formats(language).formula(formula) for formula in english]
    assert [text for text in written if re.search(r"(?!USD|SD)[A-Za-z]{2,}", text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_paper_and_screen_write_formulas_in_the_same_words(language: str) -> None:
    formula = "minimum 99, less what was charged before in this month (used: 0.90 x 5 packages of 100 (500 + 9 free))"
    assert formats(language).formula(formula) == console_formats(language).formula(formula)


@pytest.mark.parametrize(
    ("language", "long", "medium", "days", "days_of_a_year"),
    [
        ("en", "November 23, 2026", "Nov 23, 2026", "Nov 16 – 30", "Nov 16 – Dec 1, 2026"),
        ("ko", "2026년 11월 23일", "2026. 11. 23.", "11월 16일~30일", "2026년 11월 16일 ~ 12월 1일"),
        ("ja", "2026年11月23日", "2026/11/23", "11月16日～30日", "2026年11月16日～12月1日"),
    ],
)
def test_each_language_writes_dates_its_own_way(
    language: str, long: str, medium: str, days: str, days_of_a_year: str
) -> None:
    written = formats(language)
    assert (written.date(date(2026, 11, 23)), written.date(date(2026, 11, 23), "medium")) == (long, medium)
    assert written.days(date(2026, 11, 16), date(2026, 11, 30), with_year=False) == days
    assert written.days(date(2026, 11, 16), date(2026, 12, 1)) == days_of_a_year
