"""The schema, for both databases. CHECK constraints tie columns to states.

Times are integer milliseconds, money integer micro-euro. JSON columns hold what is only ever read
whole. The migrations in ``migrations/`` are what creates the tables; a test compares them with
this.
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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


def _ms(name: str, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _text(name: str, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _key(name: str, *, references: str | None = None, primary: bool = False) -> Column[str]:
    if references:
        return Column(name, String(200), ForeignKey(references), primary_key=primary, nullable=False)
    return Column(name, String(200), primary_key=primary, nullable=False)


site = Table(
    "site",
    metadata,
    _key("name", primary=True),
    _text("display_name"),
    Column("country", String(2), nullable=False),
    _text("grid_zone"),
    _text("operator"),
    _text("engine"),
    Column("pue_milli", Integer, CheckConstraint("pue_milli >= 1000", name="pue_from_one"), nullable=False),
    _text("pue_source"),
    _text("cut_off"),
    _ms("lease_ms"),
    _text("isolation"),
    Column("isolation_accepted", Boolean, nullable=False),
    _ms("created_at_ms"),
)

# What control knows of a site's agent; kept apart from what the operator wrote about the site.
agent = Table(
    "agent",
    metadata,
    _key("site", references="site.name", primary=True),
    _text("token_hash"),
    _ms("last_sync_at_ms", nullable=True),
    _text("journal"),
    Column("meter_seq", BigInteger, nullable=False),
    _text("boot_id"),
    _text("version"),
    Column("local_hold", JSON, nullable=True),
)

node = Table(
    "node",
    metadata,
    _key("site", references="site.name", primary=True),
    _key("name", primary=True),
    _text("pool"),
    _text("accelerator"),
    Column("devices", Integer, CheckConstraint("devices >= 0", name="devices"), nullable=False),
    Column("cpu_milli", BigInteger, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    _text("domain"),
    _text("health"),
    Column("drained", Boolean, nullable=False),
)

tenant = Table(
    "tenant",
    metadata,
    _key("name", primary=True),
    _text("display_name"),
    Column("residency", JSON, nullable=False),
    Column("weight", Integer, CheckConstraint("weight >= 1", name="weight"), nullable=False),
    Column("budget_microeur", BigInteger, nullable=True),
    Column("grant_device_ms", BigInteger, nullable=True),
    _ms("created_at_ms"),
)

project = Table(
    "project",
    metadata,
    _key("id", primary=True),
    _key("tenant", references="tenant.name"),
    _text("name"),
    _text("display_name"),
    Column("residency", JSON, nullable=False),
    Column("quota_devices", Integer, nullable=True),
    Column("budget_microeur", BigInteger, nullable=True),
    _ms("created_at_ms"),
)

user_account = Table(
    "user_account",
    metadata,
    _key("id", primary=True),
    _text("name"),
    _text("role"),
    Column("tenant", String(200), ForeignKey("tenant.name"), nullable=True),
    Column("site", String(200), ForeignKey("site.name"), nullable=True),
    Column("disabled", Boolean, nullable=False),
    _ms("created_at_ms"),
)

# Login links (used once), browser sessions and command-line tokens; only hashes are kept.
credential = Table(
    "credential",
    metadata,
    _key("secret_hash", primary=True),
    Column(
        "kind",
        String(10),
        CheckConstraint("kind IN ('login', 'session', 'token')", name="kind"),
        nullable=False,
    ),
    _key("user_id", references="user_account.id"),
    _ms("created_at_ms"),
    _ms("expires_at_ms"),
    Column("used", Boolean, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    _key("id", primary=True),
    _key("project", references="project.id"),
    _text("name"),
    _text("prefix"),
    Column("secret_hash", String(64), nullable=False, unique=True),
    _ms("created_at_ms"),
    _ms("expires_at_ms", nullable=True),
    Column("disabled", Boolean, nullable=False),
)

price = Table(
    "price",
    metadata,
    Column("resource", String(20), primary_key=True),
    _key("item", primary=True),
    Column("version", Integer, primary_key=True),
    Column(
        "price_microeur",
        BigInteger,
        CheckConstraint("price_microeur >= 0", name="not_negative"),
        nullable=False,
    ),
    _ms("effective_from_ms"),
    _text("created_by"),
)

artifact = Table(
    "artifact",
    metadata,
    _key("id", primary=True),
    _key("project", references="project.id"),
    _text("name"),
    _text("kind"),
    Column("digest", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    _ms("created_at_ms"),
    Column("source_run", String(200), nullable=True),
    Column("locations", JSON, nullable=False),
)

model = Table(
    "model",
    metadata,
    _key("id", primary=True),
    _key("project", references="project.id"),
    _key("artifact", references="artifact.id"),
    _text("stage"),
    _ms("created_at_ms"),
    Column("job", String(200), nullable=True),
    Column("parents", JSON, nullable=False),
    Column("gate", JSON, nullable=True),
)

evaluation = Table(
    "evaluation",
    metadata,
    _key("id", primary=True),
    _key("model", references="model.id"),
    _key("job"),
    _ms("at_ms"),
    Column("figures_micro", JSON, nullable=False),
    Column("gate", JSON, nullable=True),
    Column("passed", Boolean, nullable=False),
    Column("record", JSON, nullable=False),
)

workload = Table(
    "workload",
    metadata,
    _key("id", primary=True),
    _text("name"),
    _key("project", references="project.id"),
    Column("kind", String(10), CheckConstraint("kind IN ('job', 'endpoint')", name="kind"), nullable=False),
    Column("spec", JSON, nullable=False),
    _ms("created_at_ms"),
    _text("created_by"),
    Column("priority", Integer, nullable=False),
    _text("wanted"),
    Column("outcome", String(10), nullable=False, index=True),
    _text("outcome_detail"),
    _ms("ended_at_ms", nullable=True),
    _ms("not_before_ms"),
    Column("failures", Integer, nullable=False),
    CheckConstraint("(outcome = 'open') = (ended_at_ms IS NULL)", name="open_has_no_end"),
    CheckConstraint("outcome <> 'cancelled' OR wanted = 'stop'", name="cancelled_was_asked"),
    CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
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
    _key("id", primary=True),
    _key("workload", references="workload.id"),
    _key("project", references="project.id"),
    _key("site", references="site.name"),
    Column("attempt", Integer, nullable=False),
    Column("placement", JSON, nullable=False),
    _text("accelerator"),
    _ms("created_at_ms"),
    Column("generation", BigInteger, nullable=False),
    _text("wanted"),
    _text("stop_reason", nullable=True),
    _ms("stop_requested_at_ms", nullable=True),
    Column("observed", String(10), nullable=False, index=True),
    Column("exit_code", Integer, nullable=True),
    _text("detail"),
    _ms("started_at_ms", nullable=True),
    _ms("ended_at_ms", nullable=True),
    _text("address"),
    Column("ready", Boolean, nullable=False),
    Column("resumed_from_step", BigInteger, nullable=True),
    _text("software"),
    _ms("metered_until_ms", nullable=True),
    # Columns below are control's own and not part of the noun.
    Column("settled", Boolean, nullable=False, default=False),
    Column("replica_key", Text, nullable=False, default=""),
    Column("interrupted", Boolean, nullable=False, default=False),
    Column("progress", JSON, nullable=True),
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
    _key("pending", primary=True),
    _key("workload", references="workload.id"),
    Column("reason", JSON, nullable=False),
    _ms("since_ms"),
)

hold = Table(
    "hold",
    metadata,
    _key("id", primary=True),
    _text("scope"),
    _text("target"),
    Column("generation", BigInteger, nullable=False),
    _text("raised_by"),
    _ms("raised_at_ms"),
    _text("reason"),
    _text("released_by", nullable=True),
    _ms("released_at_ms", nullable=True),
    Column("released_generation", BigInteger, nullable=True),
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
    Column("enforcer", String(10), primary_key=True),
    _key("id", primary=True),
    Column("generation", BigInteger, nullable=False),
    _ms("at_ms"),
    Column("refused", BigInteger, nullable=False),
    Column("drained", BigInteger, nullable=False),
    Column("stopped", BigInteger, nullable=False),
    Column("processes_left", BigInteger, nullable=False),
)

# Baselines are the enforcers' counters when the hold was raised, so that a receipt states only
# what this hold did.
receipt = Table(
    "receipt",
    metadata,
    _key("id", primary=True),
    _key("hold", references="hold.id"),
    Column("action", String(3), CheckConstraint("action IN ('off', 'on')", name="action"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    _ms("created_at_ms"),
    Column("complete", Boolean, nullable=False),
    Column("baseline", JSON, nullable=False),
    Column("document", JSON, nullable=True),
    CheckConstraint("NOT complete OR document IS NOT NULL", name="complete_is_written"),
)

gateway = Table(
    "gateway",
    metadata,
    _key("name", primary=True),
    _key("site", references="site.name"),
    _text("token_hash"),
    _ms("last_sync_at_ms", nullable=True),
    _ms("lease_until_ms", nullable=True),
    _text("journal"),
    Column("usage_seq", BigInteger, nullable=False),
    _ms("created_at_ms"),
)

budget_slice = Table(
    "budget_slice",
    metadata,
    _key("gateway", references="gateway.name", primary=True),
    _key("project", references="project.id", primary=True),
    Column(
        "granted_microeur", BigInteger, CheckConstraint("granted_microeur >= 0", name="grows"), nullable=False
    ),
    Column("settled_microeur", BigInteger, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("key", String(300), nullable=False, unique=True),
    _ms("at_ms"),
    _ms("from_ms"),
    _ms("to_ms"),
    _key("tenant", references="tenant.name"),
    _key("project", references="project.id"),
    _text("site"),
    _text("resource"),
    _text("item"),
    Column("quantity", BigInteger, CheckConstraint("quantity >= 0", name="quantity"), nullable=False),
    Column("price_microeur", BigInteger, nullable=False),
    Column("price_version", Integer, nullable=False),
    Column("amount_microeur", BigInteger, nullable=False),
    Column("workload", String(200), nullable=False, index=True),
    _text("run"),
    _text("request"),
    _text("gateway"),
    Column("it_energy_j", BigInteger, nullable=False),
    Column("energy_j", BigInteger, nullable=False),
    Column("carbon_mg", BigInteger, nullable=False),
    _text("quality", nullable=True),
    _text("note"),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    CheckConstraint("to_ms >= from_ms", name="forward"),
)
Index("ix_ledger_project_at_ms", ledger.c.project, ledger.c.at_ms)

# Sums of the ledger, kept in the same transaction as its entries so that budgets cost no scan.
# The doctor compares them with the ledger itself.
account = Table(
    "account",
    metadata,
    _key("project", references="project.id", primary=True),
    Column("spent_microeur", BigInteger, nullable=False),
    Column("device_ms", BigInteger, nullable=False),
    Column("decayed_device_ms", BigInteger, nullable=False),
    _ms("decayed_at_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _ms("at_ms"),
    _text("actor_kind"),
    _text("actor_id"),
    _text("action"),
    _text("target"),
    _text("outcome"),
    Column("detail", JSON, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

invoice = Table(
    "invoice",
    metadata,
    _key("number", primary=True),
    _key("tenant", references="tenant.name"),
    _ms("from_ms"),
    _ms("to_ms"),
    _ms("issued_at_ms"),
    Column("document", JSON, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    _key("caller", primary=True),
    _key("key", primary=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", JSON, nullable=False),
    _ms("at_ms"),
)

# Numbers that only rise: the switch's generation, lease epochs, invoice numbers, the version of
# what is wanted.
counter = Table(
    "counter",
    metadata,
    _key("name", primary=True),
    Column("value", BigInteger, nullable=False),
)

setting = Table(
    "setting",
    metadata,
    _key("name", primary=True),
    Column("value", JSON, nullable=False),
)

APPEND_ONLY = ("ledger", "audit")
