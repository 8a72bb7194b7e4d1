"""Every table of the first released schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acknowledgement",
        sa.Column("enforcer", sa.String(length=10), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("drained", sa.BigInteger(), nullable=False),
        sa.Column("stopped", sa.BigInteger(), nullable=False),
        sa.Column("processes_left", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("enforcer", "id", name=op.f("pk_acknowledgement")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_hash")),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("raised_by", sa.Text(), nullable=False),
        sa.Column("raised_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("released_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("released_generation", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(released_by IS NULL) = (released_at_ms IS NULL) AND (released_at_ms IS NULL) = (released_generation IS NULL)",  # noqa: E501
            name=op.f("ck_hold_released_whole"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index(
        "uq_hold_standing",
        "hold",
        ["scope", "target"],
        unique=True,
        sqlite_where=sa.text("released_at_ms IS NULL"),
        postgresql_where=sa.text("released_at_ms IS NULL"),
    )
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "price",
        sa.Column("resource", sa.String(length=20), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("price_microeur", sa.BigInteger(), nullable=False),
        sa.Column("effective_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("price_microeur >= 0", name=op.f("ck_price_not_negative")),
        sa.PrimaryKeyConstraint("resource", "item", "version", name=op.f("pk_price")),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "site",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("grid_zone", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("pue_milli", sa.Integer(), nullable=False),
        sa.Column("pue_source", sa.Text(), nullable=False),
        sa.Column("cut_off", sa.Text(), nullable=False),
        sa.Column("lease_ms", sa.BigInteger(), nullable=False),
        sa.Column("isolation", sa.Text(), nullable=False),
        sa.Column("isolation_accepted", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("pue_milli >= 1000", name=op.f("ck_site_pue_from_one")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site")),
    )
    op.create_table(
        "tenant",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("residency", sa.JSON(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("budget_microeur", sa.BigInteger(), nullable=True),
        sa.Column("grant_device_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("weight >= 1", name=op.f("ck_tenant_weight")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenant")),
    )
    op.create_table(
        "agent",
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("last_sync_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("journal", sa.Text(), nullable=False),
        sa.Column("meter_seq", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("local_hold", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.name"], name=op.f("fk_agent_site")),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_agent")),
    )
    op.create_table(
        "gateway",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("last_sync_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("journal", sa.Text(), nullable=False),
        sa.Column("usage_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.name"], name=op.f("fk_gateway_site")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_gateway")),
    )
    op.create_table(
        "invoice",
        sa.Column("number", sa.String(length=200), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("issued_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_invoice_tenant")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_invoice")),
    )
    op.create_table(
        "node",
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("accelerator", sa.Text(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("cpu_milli", sa.BigInteger(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("drained", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.name"], name=op.f("fk_node_site")),
        sa.CheckConstraint("devices >= 0", name=op.f("ck_node_devices")),
        sa.PrimaryKeyConstraint("site", "name", name=op.f("pk_node")),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("residency", sa.JSON(), nullable=False),
        sa.Column("quota_devices", sa.Integer(), nullable=True),
        sa.Column("budget_microeur", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_project_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
    )
    op.create_table(
        "receipt",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("hold", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=3), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("baseline", sa.JSON(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "NOT complete OR document IS NOT NULL", name=op.f("ck_receipt_complete_is_written")
        ),
        sa.ForeignKeyConstraint(["hold"], ["hold.id"], name=op.f("fk_receipt_hold")),
        sa.CheckConstraint("action IN ('off', 'on')", name=op.f("ck_receipt_action")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
    )
    op.create_table(
        "user_account",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=True),
        sa.Column("site", sa.String(length=200), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.name"], name=op.f("fk_user_account_site")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_user_account_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
    )
    op.create_table(
        "account",
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("spent_microeur", sa.BigInteger(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("decayed_device_ms", sa.BigInteger(), nullable=False),
        sa.Column("decayed_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_account_project")),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_account")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_api_key_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_key_secret_hash")),
    )
    op.create_table(
        "artifact",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("source_run", sa.String(length=200), nullable=True),
        sa.Column("locations", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_artifact_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
    )
    op.create_index(op.f("ix_artifact_digest"), "artifact", ["digest"], unique=False)
    op.create_table(
        "budget_slice",
        sa.Column("gateway", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("granted_microeur", sa.BigInteger(), nullable=False),
        sa.Column("settled_microeur", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.name"], name=op.f("fk_budget_slice_gateway")),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_budget_slice_project")),
        sa.CheckConstraint("granted_microeur >= 0", name=op.f("ck_budget_slice_grows")),
        sa.PrimaryKeyConstraint("gateway", "project", name=op.f("pk_budget_slice")),
    )
    op.create_table(
        "credential",
        sa.Column("secret_hash", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_credential_user_id")),
        sa.CheckConstraint("kind IN ('login', 'session', 'token')", name=op.f("ck_credential_kind")),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_credential")),
    )
    op.create_table(
        "ledger",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price_microeur", sa.BigInteger(), nullable=False),
        sa.Column("price_version", sa.Integer(), nullable=False),
        sa.Column("amount_microeur", sa.BigInteger(), nullable=False),
        sa.Column("workload", sa.String(length=200), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("it_energy_j", sa.BigInteger(), nullable=False),
        sa.Column("energy_j", sa.BigInteger(), nullable=False),
        sa.Column("carbon_mg", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("to_ms >= from_ms", name=op.f("ck_ledger_forward")),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_ledger_project")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_ledger_tenant")),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_ledger_quantity")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger")),
        sa.UniqueConstraint("hash", name=op.f("uq_ledger_hash")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_key")),
    )
    op.create_index("ix_ledger_project_at_ms", "ledger", ["project", "at_ms"], unique=False)
    op.create_index(op.f("ix_ledger_workload"), "ledger", ["workload"], unique=False)
    op.create_table(
        "workload",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("outcome_detail", sa.Text(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(outcome = 'open') = (ended_at_ms IS NULL)", name=op.f("ck_workload_open_has_no_end")
        ),
        sa.CheckConstraint(
            "outcome <> 'cancelled' OR wanted = 'stop'", name=op.f("ck_workload_cancelled_was_asked")
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 100", name=op.f("ck_workload_priority")),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_workload_project")),
        sa.CheckConstraint("kind IN ('job', 'endpoint')", name=op.f("ck_workload_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workload")),
    )
    op.create_index(op.f("ix_workload_outcome"), "workload", ["outcome"], unique=False)
    op.create_index(
        "uq_endpoint_name_open",
        "workload",
        ["name"],
        unique=True,
        sqlite_where=sa.text("kind = 'endpoint' AND outcome = 'open'"),
        postgresql_where=sa.text("kind = 'endpoint' AND outcome = 'open'"),
    )
    op.create_table(
        "model",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("artifact", sa.String(length=200), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.String(length=200), nullable=True),
        sa.Column("parents", sa.JSON(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["artifact"], ["artifact.id"], name=op.f("fk_model_artifact")),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_model_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("workload", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("placement", sa.JSON(), nullable=False),
        sa.Column("accelerator", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("stop_requested_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("observed", sa.String(length=10), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("resumed_from_step", sa.BigInteger(), nullable=True),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("metered_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("replica_key", sa.Text(), nullable=False),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("carry", sa.JSON(), nullable=True),
        sa.Column("outputs", sa.JSON(), nullable=True),
        sa.Column("why", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "(observed = 'exited') = (exit_code IS NOT NULL)", name=op.f("ck_run_exited_has_status")
        ),
        sa.CheckConstraint(
            "(observed IN ('exited', 'lost')) = (ended_at_ms IS NOT NULL)", name=op.f("ck_run_ended_has_time")
        ),
        sa.CheckConstraint(
            "(wanted = 'stop') = (stop_reason IS NOT NULL)", name=op.f("ck_run_stop_has_reason")
        ),
        sa.CheckConstraint(
            "NOT ready OR observed IN ('running', 'stopping')", name=op.f("ck_run_ready_lives")
        ),
        sa.CheckConstraint(
            "NOT settled OR observed IN ('exited', 'lost')", name=op.f("ck_run_settled_has_ended")
        ),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_run_project")),
        sa.ForeignKeyConstraint(["site"], ["site.name"], name=op.f("fk_run_site")),
        sa.ForeignKeyConstraint(["workload"], ["workload.id"], name=op.f("fk_run_workload")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("workload", "attempt", name=op.f("uq_run_workload_attempt")),
    )
    op.create_index(op.f("ix_run_observed"), "run", ["observed"], unique=False)
    op.create_index("ix_run_unsettled", "run", ["site", "settled"], unique=False)
    op.create_table(
        "waiting",
        sa.Column("pending", sa.String(length=200), nullable=False),
        sa.Column("workload", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workload"], ["workload.id"], name=op.f("fk_waiting_workload")),
        sa.PrimaryKeyConstraint("pending", name=op.f("pk_waiting")),
    )
    op.create_table(
        "evaluation",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("job", sa.String(length=200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("figures_micro", sa.JSON(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["model.id"], name=op.f("fk_evaluation_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
    )


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
