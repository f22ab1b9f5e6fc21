"""All pages of *My usage*."""

from typing import Final

from meterbook.console.my_usage import (
    balance,
    billing_history,
    budget,
    card_form,
    focus,
    invoice,
    invoice_preview,
    metering,
    overview,
    pay_invoice,
    payment_information,
    project_usage,
    usage,
)

ROUTERS: Final = tuple(
    module.router
    for module in (
        overview,
        budget,
        usage,
        metering,
        project_usage,
        invoice_preview,
        billing_history,
        invoice,
        focus,
        pay_invoice,
        balance,
        payment_information,
        card_form,
    )
)
