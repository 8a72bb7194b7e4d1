"""The schema, for both databases. CHECK constraints tie columns to states.

Here are places, people and work; ``record_tables`` has the switch and the records. Times are integer
milliseconds, money integer micro-euro. JSON columns hold what is only ever read whole. The
migrations in ``migrations/`` are what creates the tables; a test compares them with this.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
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
)

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
    "invoice",
    "ledger",
    "metadata",
    "model",
    "node",
    "price",
    "project",
    "receipt",
    "run",
    "setting",
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
    Column("country", String(2), nullable=False),
    text("grid_zone"),
    text("operator"),
    text("engine"),
    Column("pue_milli", Integer, nullable=False),
    text("pue_source"),
    text("cut_off"),
    ms("lease_ms"),
    text("isolation"),
    Column("isolation_accepted", Boolean, nullable=False),
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
    Column("meter_seq", BigInteger, nullable=False),
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
    Column("devices", Integer, nullable=False),
    Column("cpu_milli", BigInteger, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
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
    Column("weight", Integer, nullable=False),
    Column("budget_microeur", BigInteger, nullable=True),
    Column("grant_device_ms", BigInteger, nullable=True),
    ms("created_at_ms"),
    CheckConstraint("weight >= 1", name="weight"),
)

project = Table(
    "project",
    metadata,
    key("id", primary=True),
    key("tenant", references="tenant.name"),
    text("name"),
    text("display_name"),
    Column("residency", JSON, nullable=False),
    Column("quota_devices", Integer, nullable=True),
    Column("budget_microeur", BigInteger, nullable=True),
    ms("created_at_ms"),
)

user_account = Table(
    "user_account",
    metadata,
    key("id", primary=True),
    text("name"),
    text("role"),
    Column("tenant", String(200), ForeignKey("tenant.name"), nullable=True),
    Column("site", String(200), ForeignKey("site.name"), nullable=True),
    Column("disabled", Boolean, nullable=False),
    ms("created_at_ms"),
)

# Login links (used once), browser sessions and command-line tokens; only hashes are kept.
credential = Table(
    "credential",
    metadata,
    key("secret_hash", primary=True),
    Column(
        "kind",
        String(10),
        nullable=False,
    ),
    key("user_id", references="user_account.id"),
    ms("created_at_ms"),
    ms("expires_at_ms"),
    Column("used", Boolean, nullable=False),
    CheckConstraint("kind IN ('login', 'session', 'token')", name="kind"),
)

api_key = Table(
    "api_key",
    metadata,
    key("id", primary=True),
    key("project", references="project.id"),
    text("name"),
    text("prefix"),
    Column("secret_hash", String(64), nullable=False, unique=True),
    ms("created_at_ms"),
    ms("expires_at_ms", nullable=True),
    Column("disabled", Boolean, nullable=False),
)

price = Table(
    "price",
    metadata,
    Column("resource", String(20), primary_key=True),
    key("item", primary=True),
    Column("version", Integer, primary_key=True),
    Column(
        "price_microeur",
        BigInteger,
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
    Column("digest", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    ms("created_at_ms"),
    Column("source_run", String(200), nullable=True),
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
    Column("job", String(200), nullable=True),
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
    Column("kind", String(10), nullable=False),
    Column("spec", JSON, nullable=False),
    ms("created_at_ms"),
    text("created_by"),
    Column("priority", Integer, nullable=False),
    text("wanted"),
    Column("outcome", String(10), nullable=False, index=True),
    text("outcome_detail"),
    ms("ended_at_ms", nullable=True),
    ms("not_before_ms"),
    Column("failures", Integer, nullable=False),
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
    Column("attempt", Integer, nullable=False),
    Column("placement", JSON, nullable=False),
    text("accelerator"),
    ms("created_at_ms"),
    Column("generation", BigInteger, nullable=False),
    text("wanted"),
    text("stop_reason", nullable=True),
    ms("stop_requested_at_ms", nullable=True),
    Column("observed", String(10), nullable=False, index=True),
    Column("exit_code", Integer, nullable=True),
    text("detail"),
    ms("started_at_ms", nullable=True),
    ms("ended_at_ms", nullable=True),
    text("address"),
    Column("ready", Boolean, nullable=False),
    Column("resumed_from_step", BigInteger, nullable=True),
    text("software"),
    ms("metered_until_ms", nullable=True),
    # Columns below are control's own and not part of the noun.
    Column("settled", Boolean, nullable=False, default=False),
    Column("replica_key", Text, nullable=False, default=""),
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
