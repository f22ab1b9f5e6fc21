"""Documents for tests: a small invoice that adds up, to be changed by `dataclasses.replace`, and a long one."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.tax import TaxLine
from meterbook.invoicing.document import Document, DocumentDiscount, DocumentLine, Party

USD = currency("USD")
JUNE = BillingMonth(2026, 6)
WHOLE_JUNE = (date(2026, 6, 1), date(2026, 6, 30))


def usd(text: str) -> Money:
    return Money.parse(text, USD)


# E07 of the domain: 15% on APM, 10% on the invoice, 30 off it; then tax of 10%, 6 unpaid, 20 of credit, 40 of balance.
APM = DocumentLine(
    1,
    "web",
    "Web shop",
    "APM",
    "40.00 x 2,880 h / 720 h",
    usd("160.00"),
    usd("58.42"),
    "core",
    quantity=Decimal(2880),
    unit_price=Decimal("40.00"),
    period=WHOLE_JUNE,
)
SERVER = DocumentLine(
    2,
    "api",
    "api",
    "Server",
    "12.00 x 3,600 h / 720 h",
    usd("60.00"),
    usd("15.18"),
    "host",
    quantity=Decimal(3600),
    unit_price=Decimal("12.00"),
    period=(date(2026, 6, 1), date(2026, 6, 15)),
)
INVOICE = Document(
    "invoice",
    "en",
    "INV-2026-000042",
    date(2026, 7, 3),
    billing_zone("Asia/Seoul"),
    Party("Example Monitoring", ("1 High Street", "London"), "GB1234", "billing@example.com"),
    Party("Acme Retail", ("Accounts payable",), "GB9876", "pay@example.org"),
    (APM, SERVER),
    subtotal=usd("220.00"),
    net=usd("146.40"),
    tax=(TaxLine(Decimal(10), usd("146.40"), usd("14.64")),),
    total=usd("161.04"),
    unpaid=usd("6.00"),
    credit_used=usd("20.00"),
    balance_used=usd("40.00"),
    discounts=(
        DocumentDiscount("Welcome", "WELCOME15", "15% on APM", usd("24.00")),
        DocumentDiscount("Partner", None, "10%", usd("19.60")),
        DocumentDiscount("Thank you", "THANKS", "", usd("30.00")),
    ),
    due_on=date(2026, 7, 25),
    month=JUNE,
    payment_method="bank_transfer",
    payment_instruction="Example Bank\nAccount 12-34-56",
)
_CREDITED = replace(APM, amount=usd("10.00"), discount=usd("0.00"), quantity=None, unit_price=None, period=None)
CREDIT_NOTE = Document(
    "credit_note",
    "en",
    "CN-2026-000003",
    date(2026, 7, 9),
    INVOICE.zone,
    INVOICE.seller,
    INVOICE.buyer,
    (_CREDITED,),
    subtotal=usd("10.00"),
    net=usd("10.00"),
    tax=(TaxLine(Decimal(10), usd("10.00"), usd("1.00")),),
    total=usd("11.00"),
    unpaid=usd("0.00"),
    credit_used=usd("0.00"),
    balance_used=usd("0.00"),
    corrects="INV-2026-000042",
    reason="Three hosts were counted twice.",
)


def renamed(name: str) -> Document:
    """Return the invoice with this name wherever one can stand."""
    return replace(
        INVOICE,
        seller=replace(INVOICE.seller, name=name),
        buyer=replace(INVOICE.buyer, name=name),
        lines=tuple(replace(line, project_name=name, product=name) for line in INVOICE.lines),
        discounts=tuple(replace(discount, name=name) for discount in INVOICE.discounts),
        payment_instruction=name,
    )


def long_invoice(lines: int) -> Document:
    """Return an invoice of so many lines, ten to a project, at 1.00 each."""
    one = replace(APM, amount=usd("1.00"), discount=usd("0.00"))
    projects = ((number, f"project-{(number - 1) // 10}") for number in range(1, lines + 1))
    total = Money(lines * 100, USD)
    return replace(
        INVOICE,
        lines=tuple(replace(one, number=number, project_code=code, project_name=code) for number, code in projects),
        discounts=(),
        subtotal=total,
        net=total,
        tax=(TaxLine(Decimal(0), total, usd("0.00")),),
        total=total,
    )
