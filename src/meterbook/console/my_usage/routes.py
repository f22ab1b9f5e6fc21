"""All pages of *My usage*."""

from fastapi import APIRouter

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

router = APIRouter(include_in_schema=False)
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
):
    router.include_router(module.router)
