"""Promotions and the ledger; accounts' tax class and payment information; what the database refuses to change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

# Facts are appended, never edited (DOMAIN 6).
_APPEND_ONLY = ("journal_entry", "posting", "prepayment", "redemption", "credit")


def upgrade() -> None:
    """Make the tables and the triggers that keep them."""
    _accounts()
    _promotions()
    _ledger()
    _append_only()


def _accounts() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "payment_information",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=True),
        sa.Column("method_reference", sa.Text(), nullable=True),
        sa.Column("method_label", sa.Text(), nullable=True),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("registration_number", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("cc", postgresql.JSONB(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "method in ('card', 'bank_transfer', 'send_invoice')", name=op.f("ck_payment_information_method_known")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_payment_information_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_payment_information")),
    )
    op.add_column("account", sa.Column("tax_class", sa.Text(), server_default="standard", nullable=False))
    op.add_column("project", sa.Column("limited_for", sa.Text(), nullable=True))


def _promotions() -> None:
    op.create_table(
        "promotion",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("applies_to", sa.Text(), nullable=False),
        sa.Column("products", postgresql.JSONB(), nullable=False),
        sa.Column("projects", postgresql.JSONB(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redemptions_max", sa.Integer(), nullable=True),
        sa.Column("stackable", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=True),
        sa.Column("carry_over", sa.Boolean(), nullable=False),
        sa.Column("free_unit", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code = upper(code)", name=op.f("ck_promotion_code_upper_case")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_promotion_period")),
        sa.CheckConstraint("value >= 0", name=op.f("ck_promotion_value_sign")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
        sa.UniqueConstraint("code", name=op.f("uq_promotion_code")),
    )
    op.create_table(
        "redemption",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("promotion_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("redeemed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_redemption_account_id")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotion.id"], name=op.f("fk_redemption_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redemption")),
        sa.UniqueConstraint("promotion_id", "account_id", name=op.f("uq_redemption_promotion_id_account_id")),
    )
    op.create_index(op.f("ix_redemption_account_id"), "redemption", ["account_id"], unique=False)
    op.create_table(
        "credit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("redemption_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_credit_amount_sign")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_credit_period")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_credit_account_id")),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name=op.f("fk_credit_redemption_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit")),
        sa.UniqueConstraint("redemption_id", name=op.f("uq_credit_redemption_id")),
    )
    op.create_index(op.f("ix_credit_account_id"), "credit", ["account_id"], unique=False)


def _ledger() -> None:
    op.create_table(
        "journal_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_journal_entry_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entry")),
        sa.UniqueConstraint("reason", "source", name=op.f("uq_journal_entry_reason_source")),
    )
    op.create_index(op.f("ix_journal_entry_account_id"), "journal_entry", ["account_id"], unique=False)
    op.create_table(
        "prepayment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_prepayment_amount_sign")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_prepayment_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prepayment")),
        sa.UniqueConstraint("source", name=op.f("uq_prepayment_source")),
    )
    op.create_index(op.f("ix_prepayment_account_id"), "prepayment", ["account_id"], unique=False)
    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("ledger_account", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("invoice_id", sa.BigInteger(), nullable=True),
        sa.Column("redemption_id", sa.BigInteger(), nullable=True),
        sa.Column("credit_id", sa.BigInteger(), nullable=True),
        sa.Column("prepayment_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(ledger_account = 'receivable') <= (invoice_id is not null)"
            " and (ledger_account = 'customer_balance') <= (prepayment_id is not null)"
            " and (ledger_account = 'promotional_credit') <= (credit_id is not null)"
            " and (ledger_account = 'revenue') <= (product is not null)",
            name=op.f("ck_posting_dimensions_named"),
        ),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_posting_amount_present")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_posting_account_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entry.id"], name=op.f("fk_posting_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting")),
    )
    op.create_index(
        "ix_posting_credit",
        "posting",
        ["account_id", "credit_id"],
        unique=False,
        postgresql_where=sa.text("ledger_account = 'promotional_credit'"),
    )
    op.create_index(op.f("ix_posting_entry_id"), "posting", ["entry_id"], unique=False)
    op.create_index(
        "ix_posting_prepayment",
        "posting",
        ["account_id", "prepayment_id"],
        unique=False,
        postgresql_where=sa.text("ledger_account = 'customer_balance'"),
    )
    op.create_index(
        "ix_posting_receivable",
        "posting",
        ["account_id", "invoice_id"],
        unique=False,
        postgresql_where=sa.text("ledger_account = 'receivable'"),
    )


def _append_only() -> None:
    op.execute(
        """
        create function meterbook_append_only() returns trigger language plpgsql as $$
        begin
            raise exception '% is append-only: correct it by a new entry', tg_table_name
                using errcode = 'integrity_constraint_violation';
        end $$
        """
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table}"
            " for each statement execute function meterbook_append_only()"
        )
