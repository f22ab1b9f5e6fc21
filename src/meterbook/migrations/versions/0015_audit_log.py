"""The audit log: what was changed beside the books, and by whom."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

# What of a table the log does not tell: numbers of rows, what names the thing itself, secrets, and what changes by
# itself. Of a password it tells that it was changed.
_UNTOLD = {
    "account": ("id", "code", "created_at"),
    "payment_information": ("account_id", "method_reference", "updated_at"),
    "project": ("id", "account_id", "code", "created_at"),
    "user": ("id", "password_hash", "language", "theme", "created_at"),
    "membership": ("id", "user_id", "account_id", "project_id", "created_at"),
    "api_key": ("id", "prefix", "secret_sha256", "account_id", "project_id", "created_at", "last_used_on"),
    "product": ("id", "code", "position", "created_at"),
    "product_price": ("id", "product_id", "currency", "effective_from", "created_at"),
    "promotion": ("id", "code", "created_at"),
    "redemption": ("id", "promotion_id", "account_id", "redeemed_at", "redeemed_by"),
    "withdrawal": ("redemption_id", "withdrawn_at", "withdrawn_by"),
    "budget": ("id", "account_id", "set_by", "set_at"),
}


def upgrade() -> None:
    """Add the log, which is append-only, and have the tables write it themselves: no way of changing them is missed."""
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acted_by", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("action in ('added', 'changed', 'removed')", name=op.f("ck_audit_entry_action_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index(op.f("ix_audit_entry_account_id"), "audit_entry", ["account", "id"])
    op.execute(
        "create trigger append_only before update or delete or truncate on audit_entry"
        " for each statement execute function meterbook_append_only()"
    )
    op.execute(
        """
        create function meterbook_told(value jsonb) returns jsonb language sql immutable as $$
            select case
                when value in ('null', '[]', '{}') then null
                when jsonb_typeof(value) = 'number' then to_jsonb(trim_scale((value #>> '{}')::numeric)::text)
                else value
            end
        $$
        """
    )
    op.execute(
        """
        create function meterbook_audit() returns trigger language plpgsql as $$
        declare
            was jsonb := coalesce(to_jsonb(old), '{}');
            became jsonb := coalesce(to_jsonb(new), '{}');
            of_row jsonb := was || became;
            in_account bigint := of_row ->> 'account_id';
            in_project bigint := of_row ->> 'project_id';
            of_kind text := tg_table_name;
            act text := case tg_op when 'INSERT' then 'added' when 'DELETE' then 'removed' else 'changed' end;
            of_subject text;
            told jsonb;
        begin
            select
                coalesce(
                    jsonb_object_agg(
                        name,
                        jsonb_build_object('from', meterbook_told(was -> name), 'to', meterbook_told(became -> name))
                    ),
                    '{}'
                )
            into told
            from jsonb_object_keys(of_row) as name
            where meterbook_told(was -> name) is distinct from meterbook_told(became -> name)
            and name <> all(tg_argv);
            if act = 'changed' and of_row ->> 'password_hash' is distinct from was ->> 'password_hash' then
                told := told || '{"password": {}}';
            end if;
            if act = 'changed' and told = '{}' then
                return null;
            end if;

            case of_kind
            when 'account' then
                in_account := of_row ->> 'id';
                of_subject := of_row ->> 'code';
            when 'project' then
                in_project := of_row ->> 'id';
                of_subject := of_row ->> 'code';
            when 'user' then
                of_subject := of_row ->> 'email';
            when 'membership' then
                select email into of_subject from "user" where id = (of_row ->> 'user_id')::bigint;
            when 'api_key' then
                of_subject := of_row ->> 'prefix';
            when 'product', 'promotion' then
                of_subject := of_row ->> 'code';
            when 'product_price' then
                of_kind := 'price';
                select
                    concat_ws(
                        ' ',
                        code,
                        of_row ->> 'currency',
                        to_char(
                            (of_row ->> 'effective_from')::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'
                        )
                    )
                into of_subject
                from product
                where id = (of_row ->> 'product_id')::bigint;
            when 'redemption' then
                select code into of_subject from promotion where id = (of_row ->> 'promotion_id')::bigint;
            when 'withdrawal' then
                of_kind := 'redemption';
                act := 'removed';
                select redemption.account_id, promotion.code
                into in_account, of_subject
                from redemption
                join promotion on promotion.id = redemption.promotion_id
                where redemption.id = (of_row ->> 'redemption_id')::bigint;
            else
                null;
            end case;

            insert into audit_entry (acted_at, acted_by, kind, action, subject, account, project, changes)
            select
                clock_timestamp(),
                coalesce(
                    nullif(current_setting('meterbook.actor', true), ''),
                    case when current_setting('application_name') <> 'meterbook' then 'postgresql:' || session_user end
                ),
                of_kind,
                act,
                coalesce(of_subject, codes.account),
                codes.account,
                codes.project,
                told
            from (
                select
                    (select code from account where id = in_account) as account,
                    (select code from project where id = in_project) as project
            ) as codes;
            return null;
        end
        $$
        """
    )
    for table, untold in _UNTOLD.items():
        op.execute(
            f'create trigger audit after insert or update or delete on "{table}"'
            f" for each row execute function meterbook_audit({', '.join(untold)})"
        )
