"""Alembic's entry: runs the migrations on the engine that ``store.database`` hands over."""

from alembic import context

from bruk.store.tables import metadata

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    connection.info["writes"] = True
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
