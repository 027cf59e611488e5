"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


ROLE = "cartwheel_tenant"

# Row-level security (the second wall between shops, I10): a merchant's request works as a plain role that sees the
# rows of one shop. nullif: a pooled connection keeps an empty string, not NULL, after a transaction that had set the value.
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
READ_ONLY = {"shops": "id", "webhooks": "shop_id", "events": "shop_id"}
LEDGERS = {"audit_log", "consents", "decisions", "flow_versions"}  # rows are added, never changed
TENANT_TABLES = [
    "audit_log", "checkouts", "consents", "coupons", "customer_identities", "customers", "decisions", "deliveries",
    "enrollments", "flow_settings", "flow_versions", "order_lines", "orders", "products", "purchase_marks", "refunds",
    "scheduled_steps", "shipments", "suppressions",
]  # fmt: skip


def _wall() -> None:
    op.execute(
        # A role belongs to the whole server, our lock to one database: another database may be making it just now.
        f"DO $$ BEGIN CREATE ROLE {ROLE} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    op.execute(f"DO $$ BEGIN GRANT {ROLE} TO current_user; EXCEPTION WHEN unique_violation THEN NULL; END $$")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    op.execute(f"GRANT SELECT ON demo_clock TO {ROLE}")
    for table, column in {**READ_ONLY, **dict.fromkeys(TENANT_TABLES, "shop_id")}.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {ROLE} USING ({column} = {SHOP}) WITH CHECK ({column} = {SHOP})")
        rights = (
            "SELECT" if table in READ_ONLY else "SELECT, INSERT" if table in LEDGERS else "SELECT, INSERT, UPDATE, DELETE"
        )
        op.execute(f"GRANT {rights} ON {table} TO {ROLE}")
    # A merchant may replay a failed webhook: that sets its state, and nothing of what the platform said.
    op.execute(f"GRANT UPDATE (state, attempts, deaths, due_at, lease_until, fence, error) ON webhooks TO {ROLE}")
    # What a server compresses with lz4 costs a third of pglz's time; the embedded one was built without it.
    op.execute(
        "DO $$ BEGIN IF (SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') "
        "THEN ALTER TABLE webhooks ALTER COLUMN body SET COMPRESSION lz4; END IF; END $$"
    )


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_audit_log_shop", "audit_log", ["shop_id", "id"], unique=False)
    op.create_table(
        "checkouts",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("cart_token", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("recovery_url", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rank", sa.Text(collation="C"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_checkouts_cart_token", "checkouts", ["shop_id", "cart_token"], unique=False)
    op.create_index("ix_checkouts_customer", "checkouts", ["shop_id", "customer_id"], unique=False)
    op.create_index("uq_checkouts_token", "checkouts", ["shop_id", "token"], unique=True)
    op.create_table(
        "consents",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("email_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("wording", sa.Text(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_consents_customer", "consents", ["shop_id", "customer_id"], unique=False)
    op.create_index("uq_consents_statement", "consents", ["shop_id", "email_hash", "at", "state", "source"], unique=True)
    op.create_table(
        "customer_identities",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("consent_state", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_customer_identities_customer", "customer_identities", ["shop_id", "customer_id"], unique=False)
    op.create_index("uq_customer_identities_value", "customer_identities", ["shop_id", "kind", "value"], unique=True)
    op.create_table(
        "customers",
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("orders_count", sa.Integer(), nullable=True),
        sa.Column("spent_minor", sa.BigInteger(), nullable=True),
        sa.Column("summed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_table(
        "demo_clock",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("offset_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "enrollments",
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("episode", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_enrollments_customer", "enrollments", ["shop_id", "customer_id", "state"], unique=False)
    op.create_index("ix_enrollments_flow", "enrollments", ["shop_id", "flow", "state"], unique=False)
    op.create_index("uq_enrollments_episode", "enrollments", ["shop_id", "flow", "subject_key", "episode"], unique=True)
    op.create_table(
        "events",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_events_customer", "events", ["shop_id", "customer_id", "happened_at"], unique=False)
    op.create_index("ix_events_webhook", "events", ["shop_id", "webhook_id"], unique=False)
    op.create_index("uq_events_fact", "events", ["shop_id", "kind", "object_id", "happened_at", "n"], unique=True)
    op.create_table(
        "flow_settings",
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("holdout_share", sa.Numeric(precision=4, scale=3), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_flow_settings_flow", "flow_settings", ["shop_id", "flow"], unique=True)
    op.create_table(
        "flow_versions",
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tree", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_flow_versions_version", "flow_versions", ["shop_id", "flow", "version"], unique=True)
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("process"),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("variant_id", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("variant_title", sa.Text(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_order_lines_position", "order_lines", ["shop_id", "order_id", "position"], unique=True)
    op.create_table(
        "orders",
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("checkout_token", sa.Text(), nullable=True),
        sa.Column("cart_token", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_codes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payment_url", sa.Text(), nullable=True),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rank", sa.Text(collation="C"), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fulfilled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_orders_customer", "orders", ["shop_id", "customer_id", "placed_at"], unique=False)
    op.create_index("uq_orders_external_id", "orders", ["shop_id", "external_id"], unique=True)
    op.create_table(
        "products",
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column(
            "variant_image_urls", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("is_available", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rank", sa.Text(collation="C"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_products_external_id", "products", ["shop_id", "external_id"], unique=True)
    op.create_table(
        "purchase_marks",
        sa.Column("order_external_id", sa.Text(), nullable=False),
        sa.Column("checkout_token", sa.Text(), nullable=True),
        sa.Column("cart_token", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("email_hash", sa.LargeBinary(), nullable=True),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_purchase_marks_cart", "purchase_marks", ["shop_id", "cart_token"], unique=False)
    op.create_index("ix_purchase_marks_checkout", "purchase_marks", ["shop_id", "checkout_token"], unique=False)
    op.create_index("ix_purchase_marks_customer", "purchase_marks", ["shop_id", "customer_id", "ordered_at"], unique=False)
    op.create_index("uq_purchase_marks_order", "purchase_marks", ["shop_id", "order_external_id"], unique=True)
    op.create_table(
        "refunds",
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("order_external_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("product_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_refunds_order", "refunds", ["shop_id", "order_external_id"], unique=False)
    op.create_index("uq_refunds_external_id", "refunds", ["shop_id", "external_id"], unique=True)
    op.create_table(
        "shipments",
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("order_external_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("tracking_number", sa.Text(), nullable=True),
        sa.Column("tracking_url", sa.Text(), nullable=True),
        sa.Column("tracked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rank", sa.Text(collation="C"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_shipments_order", "shipments", ["shop_id", "order_external_id"], unique=False)
    op.create_index("uq_shipments_external_id", "shipments", ["shop_id", "external_id"], unique=True)
    op.create_table(
        "shop_tokens",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_shop_tokens_kind", "shop_tokens", ["shop_id", "kind"], unique=True)
    op.create_table(
        "shops",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("sender_email", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=True),
        sa.Column("postal_address", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("currency", sa.Text(), server_default=sa.text("'USD'"), nullable=False),
        sa.Column("timezone", sa.Text(), server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("locale", sa.Text(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("scopes", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("facts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hash_key", sa.LargeBinary(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uninstalled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", name="uq_shops_connection_id"),
        sa.UniqueConstraint("platform", "domain", name="uq_shops_domain"),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("shop_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "suppressions",
        sa.Column("email_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_suppressions_address", "suppressions", ["shop_id", "email_hash", "scope", "reason"], unique=True)
    op.create_table(
        "webhooks",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("delivery_id", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index(
        "ix_webhooks_due",
        "webhooks",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NULL"),
    )
    op.create_index(
        "ix_webhooks_lease",
        "webhooks",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NOT NULL"),
    )
    op.create_index("ix_webhooks_shop_state", "webhooks", ["shop_id", "state", "id"], unique=False)
    op.create_index("uq_webhooks_dedupe", "webhooks", ["shop_id", "platform", "dedupe_key"], unique=True)
    op.create_table(
        "coupons",
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_coupons_enrollment"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_coupons_code", "coupons", ["shop_id", "code"], unique=True)
    op.create_index("uq_coupons_step", "coupons", ["shop_id", "enrollment_id", "step"], unique=True)
    op.create_table(
        "decisions",
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("step_no", sa.Integer(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("saw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("effects", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_decisions_enrollment"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("ix_decisions_enrollment", "decisions", ["shop_id", "enrollment_id", "id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("step_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_deliveries_enrollment"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NULL"),
    )
    op.create_index(
        "ix_deliveries_lease",
        "deliveries",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_sending", "deliveries", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'sending'")
    )
    op.create_index("ix_deliveries_shop_state", "deliveries", ["shop_id", "state", "id"], unique=False)
    op.create_index("uq_deliveries_step", "deliveries", ["shop_id", "enrollment_id", "step"], unique=True)
    op.create_index("uq_deliveries_token", "deliveries", ["token"], unique=True)
    op.create_table(
        "scheduled_steps",
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("step_no", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_scheduled_steps_enrollment"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index(
        "ix_scheduled_steps_due",
        "scheduled_steps",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NULL"),
    )
    op.create_index(
        "ix_scheduled_steps_lease",
        "scheduled_steps",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NOT NULL"),
    )
    op.create_index("uq_scheduled_steps_step", "scheduled_steps", ["shop_id", "enrollment_id", "step_no"], unique=True)
    _wall()


def downgrade() -> None:
    op.drop_index("uq_scheduled_steps_step", table_name="scheduled_steps")
    op.drop_index(
        "ix_scheduled_steps_lease",
        table_name="scheduled_steps",
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NOT NULL"),
    )
    op.drop_index(
        "ix_scheduled_steps_due",
        table_name="scheduled_steps",
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NULL"),
    )
    op.drop_table("scheduled_steps")
    op.drop_index("uq_deliveries_token", table_name="deliveries")
    op.drop_index("uq_deliveries_step", table_name="deliveries")
    op.drop_index("ix_deliveries_shop_state", table_name="deliveries")
    op.drop_index("ix_deliveries_sending", table_name="deliveries", postgresql_where=sa.text("state = 'sending'"))
    op.drop_index(
        "ix_deliveries_lease",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'pending' AND lease_until IS NOT NULL"),
    )
    op.drop_index(
        "ix_deliveries_due", table_name="deliveries", postgresql_where=sa.text("state = 'pending' AND lease_until IS NULL")
    )
    op.drop_table("deliveries")
    op.drop_index("ix_decisions_enrollment", table_name="decisions")
    op.drop_table("decisions")
    op.drop_index("uq_coupons_step", table_name="coupons")
    op.drop_index("uq_coupons_code", table_name="coupons")
    op.drop_table("coupons")
    op.drop_index("uq_webhooks_dedupe", table_name="webhooks")
    op.drop_index("ix_webhooks_shop_state", table_name="webhooks")
    op.drop_index(
        "ix_webhooks_lease", table_name="webhooks", postgresql_where=sa.text("state = 'pending' AND lease_until IS NOT NULL")
    )
    op.drop_index(
        "ix_webhooks_due", table_name="webhooks", postgresql_where=sa.text("state = 'pending' AND lease_until IS NULL")
    )
    op.drop_table("webhooks")
    op.drop_index("uq_suppressions_address", table_name="suppressions")
    op.drop_table("suppressions")
    op.drop_table("sign_in_links")
    op.drop_table("shops")
    op.drop_index("uq_shop_tokens_kind", table_name="shop_tokens")
    op.drop_table("shop_tokens")
    op.drop_index("uq_shipments_external_id", table_name="shipments")
    op.drop_index("ix_shipments_order", table_name="shipments")
    op.drop_table("shipments")
    op.drop_index("uq_refunds_external_id", table_name="refunds")
    op.drop_index("ix_refunds_order", table_name="refunds")
    op.drop_table("refunds")
    op.drop_index("uq_purchase_marks_order", table_name="purchase_marks")
    op.drop_index("ix_purchase_marks_customer", table_name="purchase_marks")
    op.drop_index("ix_purchase_marks_checkout", table_name="purchase_marks")
    op.drop_index("ix_purchase_marks_cart", table_name="purchase_marks")
    op.drop_table("purchase_marks")
    op.drop_index("uq_products_external_id", table_name="products")
    op.drop_table("products")
    op.drop_index("uq_orders_external_id", table_name="orders")
    op.drop_index("ix_orders_customer", table_name="orders")
    op.drop_table("orders")
    op.drop_index("uq_order_lines_position", table_name="order_lines")
    op.drop_table("order_lines")
    op.drop_table("heartbeats")
    op.drop_index("uq_flow_versions_version", table_name="flow_versions")
    op.drop_table("flow_versions")
    op.drop_index("uq_flow_settings_flow", table_name="flow_settings")
    op.drop_table("flow_settings")
    op.drop_index("uq_events_fact", table_name="events")
    op.drop_index("ix_events_webhook", table_name="events")
    op.drop_index("ix_events_customer", table_name="events")
    op.drop_table("events")
    op.drop_index("uq_enrollments_episode", table_name="enrollments")
    op.drop_index("ix_enrollments_flow", table_name="enrollments")
    op.drop_index("ix_enrollments_customer", table_name="enrollments")
    op.drop_table("enrollments")
    op.drop_table("demo_clock")
    op.drop_table("customers")
    op.drop_index("uq_customer_identities_value", table_name="customer_identities")
    op.drop_index("ix_customer_identities_customer", table_name="customer_identities")
    op.drop_table("customer_identities")
    op.drop_index("uq_consents_statement", table_name="consents")
    op.drop_index("ix_consents_customer", table_name="consents")
    op.drop_table("consents")
    op.drop_index("uq_checkouts_token", table_name="checkouts")
    op.drop_index("ix_checkouts_customer", table_name="checkouts")
    op.drop_index("ix_checkouts_cart_token", table_name="checkouts")
    op.drop_table("checkouts")
    op.drop_index("ix_audit_log_shop", table_name="audit_log")
    op.drop_table("audit_log")
