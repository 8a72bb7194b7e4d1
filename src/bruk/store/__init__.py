"""What remembers: SQLAlchemy Core tables, Alembic migrations, and the queries, named by noun.

One writer at a time, short transactions, and two tables (``ledger`` and ``audit``) that the
database itself keeps from being changed. Only this room speaks SQL. It must never decide anything:
whether something may be written is for ``control`` to know.
Start at ``database``; ``tables`` is the schema; every other module holds the queries of one noun.
"""
