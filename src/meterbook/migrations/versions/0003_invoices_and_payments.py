"""Invoices, credit notes, numbers, deliveries; payments, attempts, refunds; issued invoices stay as they are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_APPEND_ONLY = ("payment", "credit_note", "credit_note_line", "credit_note_tax")
_INVOICE_PARTS = ("invoice_line", "invoice_discount", "invoice_tax")


def upgrade() -> None:
    """Make the tables and the triggers that keep them."""
    _invoices()
    _payments()
    _fake_gateway()
    for table in _APPEND_ONLY:
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table}"
            " for each statement execute function meterbook_append_only()"
        )
    _issued_invoices_stay()


def _invoices() -> None:
    op.create_table(
        "number_series",
        sa.Column("legal_entity", sa.Text(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("last_issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("legal_entity", "document_type", "year", name=op.f("pk_number_series")),
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("rounding", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("usage_through", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("unpaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_used_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_used_minor", sa.BigInteger(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("deferred_months", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("(number is null) = (issued_at is null)", name=op.f("ck_invoice_issued_with_number")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_invoice_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("account_id", "month", name=op.f("uq_invoice_account_id_month")),
        sa.UniqueConstraint("number", name=op.f("uq_invoice_number")),
    )
    op.create_index(
        "ix_invoice_issued", "invoice", ["issued_at"], unique=False, postgresql_where=sa.text("number is not null")
    )
    op.create_table(
        "credit_note",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_credit_note_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("number", name=op.f("uq_credit_note_number")),
    )
    op.create_index(op.f("ix_credit_note_invoice_id"), "credit_note", ["invoice_id"], unique=False)
    op.create_table(
        "invoice_discount",
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("redemption_id", sa.BigInteger(), nullable=False),
        sa.Column("promotion", postgresql.JSONB(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=True),
        sa.Column("shares", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_discount_invoice_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("pk_invoice_discount")),
    )
    op.create_index(op.f("ix_invoice_discount_redemption_id"), "invoice_discount", ["redemption_id"], unique=False)
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("project_code", sa.Text(), nullable=False),
        sa.Column("project_name", sa.Text(), nullable=False),
        sa.Column("product_code", sa.Text(), nullable=False),
        sa.Column("product", postgresql.JSONB(), nullable=False),
        sa.Column("price", postgresql.JSONB(), nullable=True),
        sa.Column("waiver", sa.Text(), nullable=True),
        sa.Column("adjusts_month", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=True),
        sa.Column("usage_hours", sa.Integer(), nullable=True),
        sa.Column("unit_price", sa.Numeric(), nullable=True),
        sa.Column("formula", sa.Text(), nullable=False),
        sa.Column("rerated_minor", sa.BigInteger(), nullable=True),
        sa.Column("billed_minor", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_line_invoice_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("pk_invoice_line")),
    )
    op.create_table(
        "invoice_tax",
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_tax_invoice_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("invoice_id", "rate", name=op.f("pk_invoice_tax")),
    )
    op.create_table(
        "credit_note_line",
        sa.Column("credit_note_id", sa.BigInteger(), nullable=False),
        sa.Column("line_position", sa.Integer(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name=op.f("fk_credit_note_line_credit_note_id")
        ),
        sa.PrimaryKeyConstraint("credit_note_id", "line_position", name=op.f("pk_credit_note_line")),
    )
    op.create_table(
        "credit_note_tax",
        sa.Column("credit_note_id", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["credit_note_id"], ["credit_note.id"], name=op.f("fk_credit_note_tax_credit_note_id")),
        sa.PrimaryKeyConstraint("credit_note_id", "rate", name=op.f("pk_credit_note_tax")),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_note_id", sa.BigInteger(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("cc", postgresql.JSONB(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["credit_note_id"], ["credit_note.id"], name=op.f("fk_delivery_credit_note_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_delivery_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("message_id", name=op.f("uq_delivery_message_id")),
    )
    op.create_index(op.f("ix_delivery_invoice_id"), "delivery", ["invoice_id"], unique=False)


def _payments() -> None:
    op.create_table(
        "gateway_event",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "event_id", name=op.f("pk_gateway_event")),
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=True),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount_sign")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_payment_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("gateway", "gateway_reference", name=op.f("uq_payment_gateway_gateway_reference")),
    )
    op.create_index(op.f("ix_payment_account_id"), "payment", ["account_id"], unique=False)
    op.create_table(
        "payment_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("method_reference", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_payment_attempt_invoice_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_attempt_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempt")),
        sa.UniqueConstraint("invoice_id", "number", name=op.f("uq_payment_attempt_invoice_id_number")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_attempt_key")),
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_amount_sign")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_refund_account_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_refund_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
    )
    op.create_index(op.f("ix_refund_account_id"), "refund", ["account_id"], unique=False)
    op.create_index(op.f("ix_refund_payment_id"), "refund", ["payment_id"], unique=False)


def _fake_gateway() -> None:
    op.create_table(
        "fake_gateway_charge",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("charge_reference", sa.Text(), nullable=False),
        sa.Column("method_reference", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'charge') = (method_reference is not null)", name=op.f("ck_fake_gateway_charge_method_of_charge")
        ),
        sa.CheckConstraint("kind in ('charge', 'refund')", name=op.f("ck_fake_gateway_charge_kind_known")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_fake_gateway_charge_amount_sign")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fake_gateway_charge")),
        sa.UniqueConstraint("reference", name=op.f("uq_fake_gateway_charge_reference")),
    )
    op.create_index(op.f("ix_fake_gateway_charge_charge_reference"), "fake_gateway_charge", ["charge_reference"])
    op.create_index(op.f("ix_fake_gateway_charge_method_reference"), "fake_gateway_charge", ["method_reference"])


def _issued_invoices_stay() -> None:
    op.execute(
        """
        create function meterbook_issued_stays() returns trigger language plpgsql as $$
        declare
            issued boolean;
        begin
            if tg_table_name = 'invoice' then
                issued := old.number is not null;
            elsif tg_op = 'INSERT' then
                select number is not null into issued from invoice where id = new.invoice_id;
            else
                select number is not null into issued from invoice where id = old.invoice_id;
            end if;
            if issued then
                raise exception 'an issued invoice is never edited: correct it by a credit note'
                    using errcode = 'integrity_constraint_violation';
            end if;
            return case when tg_op = 'DELETE' then old else new end;
        end $$
        """
    )
    op.execute(
        "create trigger issued_stays before update or delete on invoice"
        " for each row execute function meterbook_issued_stays()"
    )
    for table in _INVOICE_PARTS:
        op.execute(
            f"create trigger issued_stays before insert or update or delete on {table}"
            " for each row execute function meterbook_issued_stays()"
        )
