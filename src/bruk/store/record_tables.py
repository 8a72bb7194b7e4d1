"""The tables of the switch and of the records: ledger, audit, invoices, settings."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Table,
)

from bruk.store.columns import key, metadata, ms, text
from bruk.store.values import Small, Whole, Words

hold = Table(
    "hold",
    metadata,
    key("id", primary=True),
    text("scope"),
    text("target"),
    Column("generation", Whole, nullable=False),
    text("raised_by"),
    ms("raised_at_ms"),
    text("reason"),
    text("released_by", nullable=True),
    ms("released_at_ms", nullable=True),
    Column("released_generation", Whole, nullable=True),
    CheckConstraint(
        "(released_by IS NULL) = (released_at_ms IS NULL) "
        "AND (released_at_ms IS NULL) = (released_generation IS NULL)",
        name="released_whole",
    ),
)
Index(
    "uq_hold_standing",
    hold.c.scope,
    hold.c.target,
    unique=True,
    sqlite_where=hold.c.released_at_ms.is_(None),
    postgresql_where=hold.c.released_at_ms.is_(None),
)

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("enforcer", Words(10), primary_key=True),
    key("id", primary=True),
    Column("generation", Whole, nullable=False),
    ms("at_ms"),
    Column("refused", Whole, nullable=False),
    Column("drained", Whole, nullable=False),
    Column("stopped", Whole, nullable=False),
    Column("processes_left", Whole, nullable=False),
)

# Baselines are the enforcers' counters when the hold was raised, so that a receipt states only
# what this hold did.
receipt = Table(
    "receipt",
    metadata,
    key("id", primary=True),
    key("hold", references="hold.id"),
    Column("action", Words(3), nullable=False),
    Column("generation", Whole, nullable=False),
    ms("created_at_ms"),
    Column("complete", Boolean, nullable=False),
    Column("baseline", JSON, nullable=False),
    Column("document", JSON, nullable=True),
    CheckConstraint("NOT complete OR document IS NOT NULL", name="complete_is_written"),
    CheckConstraint("action IN ('off', 'on')", name="action"),
)

gateway = Table(
    "gateway",
    metadata,
    key("name", primary=True),
    key("site", references="site.name"),
    text("token_hash"),
    ms("last_sync_at_ms", nullable=True),
    ms("lease_until_ms", nullable=True),
    text("journal"),
    Column("usage_seq", Whole, nullable=False),
    ms("created_at_ms"),
)

budget_slice = Table(
    "budget_slice",
    metadata,
    key("gateway", references="gateway.name", primary=True),
    key("project", references="project.id", primary=True),
    Column("granted_microeur", Whole, nullable=False),
    Column("settled_microeur", Whole, nullable=False),
    CheckConstraint("granted_microeur >= 0", name="grows"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", Whole, primary_key=True, autoincrement=False),
    Column("key", Words(300), nullable=False, unique=True),
    ms("at_ms"),
    ms("from_ms"),
    ms("to_ms"),
    key("tenant", references="tenant.name"),
    key("project", references="project.id"),
    text("site"),
    text("resource"),
    text("item"),
    Column("quantity", Whole, nullable=False),
    Column("price_microeur", Whole, nullable=False),
    Column("price_version", Small, nullable=False),
    Column("amount_microeur", Whole, nullable=False),
    Column("workload", Words(200), nullable=False, index=True),
    text("run"),
    text("request"),
    text("gateway"),
    Column("it_energy_j", Whole, nullable=False),
    Column("energy_j", Whole, nullable=False),
    Column("carbon_mg", Whole, nullable=False),
    text("quality", nullable=True),
    text("note"),
    Column("prev", Words(64), nullable=False),
    Column("hash", Words(64), nullable=False, unique=True),
    CheckConstraint("to_ms >= from_ms", name="forward"),
    CheckConstraint("quantity >= 0", name="quantity"),
)
Index("ix_ledger_project_at_ms", ledger.c.project, ledger.c.at_ms)

# Sums of the ledger, kept in the same transaction as its entries so that budgets cost no scan.
# The doctor compares them with the ledger itself.
account = Table(
    "account",
    metadata,
    key("project", references="project.id", primary=True),
    Column("spent_microeur", Whole, nullable=False),
    Column("device_ms", Whole, nullable=False),
    Column("decayed_device_ms", Whole, nullable=False),
    ms("decayed_at_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Whole, primary_key=True, autoincrement=False),
    ms("at_ms"),
    text("actor_kind"),
    text("actor_id"),
    text("action"),
    text("target"),
    text("outcome"),
    Column("detail", JSON, nullable=False),
    Column("prev", Words(64), nullable=False),
    Column("hash", Words(64), nullable=False, unique=True),
)

invoice = Table(
    "invoice",
    metadata,
    key("number", primary=True),
    key("tenant", references="tenant.name"),
    ms("from_ms"),
    ms("to_ms"),
    ms("issued_at_ms"),
    Column("document", JSON, nullable=False),
)

# The public halves of the keys that signed records; the private one of the newest lies in a file.
signing_key = Table(
    "signing_key",
    metadata,
    Column("number", Small, primary_key=True, autoincrement=False),
    Column("public_key", Words(100), nullable=False, unique=True),
    ms("from_ms"),
    ms("until_ms", nullable=True),
    # Both keys' signatures under the statement by which this key followed the one before it.
    Column("handover", JSON(none_as_null=True), nullable=True),
    CheckConstraint("number >= 1", name="counted"),
    CheckConstraint("until_ms IS NULL OR until_ms >= from_ms", name="forward"),
    CheckConstraint("(number = 1) = (handover IS NULL)", name="handed_over"),
)

idempotency = Table(
    "idempotency",
    metadata,
    key("caller", primary=True),
    key("key", primary=True),
    Column("fingerprint", Words(64), nullable=False),
    Column("status", Small, nullable=False),
    Column("answer", JSON, nullable=False),
    ms("at_ms"),
)

# Numbers that only rise: the switch's generation, lease epochs, invoice numbers, the version of
# what is wanted.
counter = Table(
    "counter",
    metadata,
    key("name", primary=True),
    Column("value", Whole, nullable=False),
)

setting = Table(
    "setting",
    metadata,
    key("name", primary=True),
    Column("value", JSON, nullable=False),
)

APPEND_ONLY = ("ledger", "audit")
