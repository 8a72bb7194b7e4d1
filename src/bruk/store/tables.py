"""The schema, for both databases. CHECK constraints tie columns to states.

Here are places, people and work; ``record_tables`` has the switch and the records. Times are integer
milliseconds, money integer micro-euro. JSON columns hold what is only ever read whole. The
migrations in ``migrations/`` are what creates the tables; a test compares them with this.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
)

from bruk.store.columns import key, metadata, ms, text
from bruk.store.record_tables import (
    APPEND_ONLY,
    account,
    acknowledgement,
    audit,
    budget_slice,
    counter,
    gateway,
    hold,
    idempotency,
    invoice,
    ledger,
    receipt,
    setting,
    signing_key,
)
from bruk.store.values import Small, Whole, Words

__all__ = [
    "APPEND_ONLY",
    "account",
    "acknowledgement",
    "agent",
    "api_key",
    "artifact",
    "audit",
    "budget_slice",
    "counter",
    "credential",
    "evaluation",
    "gateway",
    "hold",
    "idempotency",
    "inspection",
    "inspection_use",
    "invoice",
    "ledger",
    "metadata",
    "model",
    "node",
    "price",
    "project",
    "receipt",
    "run",
    "secret",
    "setting",
    "signing_key",
    "site",
    "tenant",
    "user_account",
    "waiting",
    "workload",
]

site = Table(
    "site",
    metadata,
    key("name", primary=True),
    text("display_name"),
    Column("country", Words(2), nullable=False),
    text("grid_zone"),
    text("operator"),
    text("engine"),
    Column("pue_milli", Small, nullable=False),
    text("pue_source"),
    text("cut_off"),
    ms("lease_ms"),
    text("isolation"),
    text("isolation_acceptance"),
    Column("network", JSON, nullable=False),
    Column("power_limits", JSON, nullable=False, server_default="[]"),
    ms("created_at_ms"),
    CheckConstraint("pue_milli >= 1000", name="pue_from_one"),
)

# What control knows of a site's agent; kept apart from what the operator wrote about the site.
agent = Table(
    "agent",
    metadata,
    key("site", references="site.name", primary=True),
    text("token_hash"),
    ms("last_sync_at_ms", nullable=True),
    text("journal"),
    Column("meter_seq", Whole, nullable=False),
    text("boot_id"),
    text("version"),
    Column("local_hold", JSON, nullable=True),
)

node = Table(
    "node",
    metadata,
    key("site", references="site.name", primary=True),
    key("name", primary=True),
    text("pool"),
    text("accelerator"),
    Column("devices", Small, nullable=False),
    Column("cpu_milli", Whole, nullable=False),
    Column("memory_bytes", Whole, nullable=False),
    text("domain"),
    text("health"),
    Column("drained", Boolean, nullable=False),
    CheckConstraint("devices >= 0", name="devices"),
)

tenant = Table(
    "tenant",
    metadata,
    key("name", primary=True),
    text("display_name"),
    Column("residency", JSON, nullable=False),
    Column("weight", Small, nullable=False),
    Column("budget_microeur", Whole, nullable=True),
    Column("grant_device_ms", Whole, nullable=True),
    Column("operator_access", Words(10), nullable=False, server_default="audited"),
    ms("created_at_ms"),
    Column("quota_devices", Small, nullable=True),
    Column("borrow_devices", Small, nullable=False, server_default="0"),
    Column("limits", JSON, nullable=False, server_default="{}"),
    CheckConstraint("weight >= 1", name="weight"),
    CheckConstraint("operator_access IN ('audited', 'approved')", name="operator_access"),
)

project = Table(
    "project",
    metadata,
    key("id", primary=True),
    key("tenant", references="tenant.name"),
    text("name"),
    text("display_name"),
    Column("residency", JSON, nullable=False),
    Column("quota_devices", Small, nullable=True),
    Column("budget_microeur", Whole, nullable=True),
    ms("created_at_ms"),
    Column("borrow_devices", Small, nullable=False, server_default="0"),
    Column("limits", JSON, nullable=False, server_default="{}"),
)

user_account = Table(
    "user_account",
    metadata,
    key("id", primary=True),
    text("name"),
    text("role"),
    Column("tenant", Words(200), ForeignKey("tenant.name"), nullable=True),
    Column("site", Words(200), ForeignKey("site.name"), nullable=True),
    Column("disabled", Boolean, nullable=False),
    ms("created_at_ms"),
)

# Operators' requests to look at what a project's work wrote and holds; who granted and who ended them
# refers to people, and is text so that the row outlives them.
inspection = Table(
    "inspection",
    metadata,
    key("id", primary=True),
    key("project", references="project.id"),
    key("asked_by", references="user_account.id"),
    ms("asked_at_ms"),
    text("reason"),
    ms("life_ms"),
    Column("site", Words(200), ForeignKey("site.name"), nullable=True),
    text("granted_by", nullable=True),
    ms("granted_at_ms", nullable=True),
    ms("expires_at_ms", nullable=True),
    text("ended_by", nullable=True),
    ms("ended_at_ms", nullable=True),
    CheckConstraint("life_ms > 0 AND life_ms <= 86400000", name="limited"),
    CheckConstraint("reason <> ''", name="reasoned"),
    CheckConstraint(
        "(granted_by IS NULL) = (granted_at_ms IS NULL) AND (granted_by IS NULL) = (expires_at_ms IS NULL)",
        name="granted",
    ),
    CheckConstraint("(ended_by IS NULL) = (ended_at_ms IS NULL)", name="ended"),
    CheckConstraint("expires_at_ms <= granted_at_ms + life_ms", name="expires"),
)

# What jobs need and nobody reads back. Who set it refers to people, and is text so that the row outlives th
secret = Table(
    "secret",
    metadata,
    key("project", references="project.id", primary=True),
    key("name", primary=True),
    text("sealed"),
    ms("set_at_ms"),
    text("set_by"),
)

inspection_use = Table(
    "inspection_use",
    metadata,
    key("inspection", references="inspection.id", primary=True),
    key("what", primary=True),
    ms("at_ms"),
)

# Login links (used once), browser sessions and command-line tokens; only hashes are kept. Those that
# were ended are deleted: what is not here lets nobody in.
credential = Table(
    "credential",
    metadata,
    key("secret_hash", primary=True),
    Column("id", Words(200), nullable=False, unique=True),
    Column("kind", Words(10), nullable=False),
    key("user_id", references="user_account.id"),
    text("source"),
    ms("created_at_ms"),
    ms("expires_at_ms"),
    ms("last_used_at_ms", nullable=True),
    Column("used", Boolean, nullable=False),
    CheckConstraint("kind IN ('login', 'session', 'token')", name="kind"),
    CheckConstraint("kind = 'login' OR NOT used", name="links_are_used"),
    CheckConstraint("expires_at_ms > created_at_ms", name="lives"),
)

api_key = Table(
    "api_key",
    metadata,
    key("id", primary=True),
    key("project", references="project.id"),
    text("name"),
    text("prefix"),
    Column("secret_hash", Words(64), nullable=False, unique=True),
    ms("created_at_ms"),
    ms("expires_at_ms", nullable=True),
    Column("disabled", Boolean, nullable=False),
    # The secret before the last rotation, and when it ends.
    Column("old_secret_hash", Words(64), nullable=True, unique=True),
    ms("old_until_ms", nullable=True),
    ms("last_used_at_ms", nullable=True),
    Column("limits", JSON, nullable=False, server_default="{}"),
    CheckConstraint("(old_secret_hash IS NULL) = (old_until_ms IS NULL)", name="old_secret_ends"),
    CheckConstraint("old_secret_hash <> secret_hash", name="secrets_differ"),
)

price = Table(
    "price",
    metadata,
    Column("resource", Words(20), primary_key=True),
    key("item", primary=True),
    Column("version", Small, primary_key=True),
    Column(
        "price_microeur",
        Whole,
        nullable=False,
    ),
    ms("effective_from_ms"),
    text("created_by"),
    CheckConstraint("price_microeur >= 0", name="not_negative"),
)

artifact = Table(
    "artifact",
    metadata,
    key("id", primary=True),
    key("project", references="project.id"),
    text("name"),
    text("kind"),
    Column("digest", Words(64), nullable=False, index=True),
    Column("size_bytes", Whole, nullable=False),
    ms("created_at_ms"),
    Column("source_run", Words(200), nullable=True),
    Column("locations", JSON, nullable=False),
)

model = Table(
    "model",
    metadata,
    key("id", primary=True),
    key("project", references="project.id"),
    key("artifact", references="artifact.id"),
    text("stage"),
    ms("created_at_ms"),
    Column("job", Words(200), nullable=True),
    Column("parents", JSON, nullable=False),
    Column("gate", JSON, nullable=True),
)

evaluation = Table(
    "evaluation",
    metadata,
    key("id", primary=True),
    key("model", references="model.id"),
    key("job"),
    ms("at_ms"),
    Column("figures_micro", JSON, nullable=False),
    Column("gate", JSON, nullable=True),
    Column("passed", Boolean, nullable=False),
    Column("record", JSON, nullable=False),
)

workload = Table(
    "workload",
    metadata,
    key("id", primary=True),
    text("name"),
    key("project", references="project.id"),
    Column("kind", Words(10), nullable=False),
    Column("spec", JSON, nullable=False),
    ms("created_at_ms"),
    text("created_by"),
    Column("priority", Small, nullable=False),
    text("wanted"),
    Column("outcome", Words(10), nullable=False, index=True),
    text("outcome_detail"),
    ms("ended_at_ms", nullable=True),
    ms("not_before_ms"),
    Column("failures", Small, nullable=False),
    CheckConstraint("(outcome = 'open') = (ended_at_ms IS NULL)", name="open_has_no_end"),
    CheckConstraint("outcome <> 'cancelled' OR wanted = 'stop'", name="cancelled_was_asked"),
    CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
    CheckConstraint("kind IN ('job', 'endpoint')", name="kind"),
)
# An endpoint's name is what clients call, so only one open endpoint may hold it.
Index(
    "uq_endpoint_name_open",
    workload.c.name,
    unique=True,
    sqlite_where=(workload.c.kind == "endpoint") & (workload.c.outcome == "open"),
    postgresql_where=(workload.c.kind == "endpoint") & (workload.c.outcome == "open"),
)

run = Table(
    "run",
    metadata,
    key("id", primary=True),
    key("workload", references="workload.id"),
    key("project", references="project.id"),
    key("site", references="site.name"),
    Column("attempt", Small, nullable=False),
    Column("placement", JSON, nullable=False),
    text("accelerator"),
    ms("created_at_ms"),
    Column("generation", Whole, nullable=False),
    text("wanted"),
    text("stop_reason", nullable=True),
    ms("stop_requested_at_ms", nullable=True),
    Column("observed", Words(10), nullable=False, index=True),
    Column("exit_code", Small, nullable=True),
    text("detail"),
    ms("started_at_ms", nullable=True),
    ms("ended_at_ms", nullable=True),
    text("address"),
    Column("ready", Boolean, nullable=False),
    Column("resumed_from_step", Whole, nullable=True),
    text("software"),
    ms("metered_until_ms", nullable=True),
    Column("stop_detail", Words(), nullable=False, server_default=""),
    Column("stopped_for", Words(), nullable=False, server_default=""),
    # Columns below are control's own and not part of the noun.
    Column("settled", Boolean, nullable=False, default=False),
    Column("replica_key", Words(), nullable=False, default=""),
    Column("interrupted", Boolean, nullable=False, default=False),
    Column("progress", JSON, nullable=True),
    Column("carry", JSON, nullable=True),
    Column("outputs", JSON, nullable=True),
    Column("why", JSON, nullable=True),
    UniqueConstraint("workload", "attempt"),
    CheckConstraint("(observed = 'exited') = (exit_code IS NOT NULL)", name="exited_has_status"),
    CheckConstraint("(observed IN ('exited', 'lost')) = (ended_at_ms IS NOT NULL)", name="ended_has_time"),
    CheckConstraint("(wanted = 'stop') = (stop_reason IS NOT NULL)", name="stop_has_reason"),
    CheckConstraint("NOT ready OR observed IN ('running', 'stopping')", name="ready_lives"),
    CheckConstraint("NOT settled OR observed IN ('exited', 'lost')", name="settled_has_ended"),
)
Index("ix_run_unsettled", run.c.site, run.c.settled)

waiting = Table(
    "waiting",
    metadata,
    key("pending", primary=True),
    key("workload", references="workload.id"),
    Column("reason", JSON, nullable=False),
    ms("since_ms"),
)
