"""Alembic's entry: runs the migrations on the engine that ``store.database`` hands over."""

from alembic import context

from bruk.store import postgresql, sqlite
from bruk.store.tables import metadata

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    connection.info["writes"] = True
    on_sqlite = engine.dialect.name == "sqlite"
    if on_sqlite:
        sqlite.lift_guard(connection)
    try:
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        with context.begin_transaction():
            if not on_sqlite:
                postgresql.become_writer(connection)
            context.run_migrations()
        connection.commit()
    finally:
        connection.info["writes"] = False
        if on_sqlite and not connection.invalidated:
            sqlite.set_guard(connection)
