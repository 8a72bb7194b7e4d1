"""PostgreSQL: how a server is reached, who may do what there, and what its errors mean.

The role that control works as owns nothing: it reads and writes rows, adds records, and can neither change
the schema nor empty a table. The owner's role, which migrates, is another. Look next at ``database``.
"""

from importlib.util import find_spec

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from bruk.store.faults import DatabaseUnfit
from bruk.store.tables import APPEND_ONLY, metadata

# The oldest that is tested and that PostgreSQL itself still mends (https://www.postgresql.org/support/versioning,
# retrieved 2026-11).
MAJOR_MIN = 15
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 10_000
# Keys of advisory locks: "bruk" in ASCII, then what for.
LOCK_WRITER = (0x6272756B << 8) | 1
LOCK_CONTROL = (0x6272756B << 8) | 2
# Orders by code points, as SQLite does; with any other, the same rows come in another order.
COLLATIONS = ("C", "POSIX", "C.UTF-8", "C.utf8", "ucs_basic")
# What of an address may be shown beside role, host and database; options can hold a secret.
SHOWN = ("host", "port", "sslmode")
_VERSION_TABLE = "alembic_version"

# By SQLSTATE or its class (PostgreSQL's Appendix A), the longest that fits.
ADVICE = {
    "08": "the server cannot be reached; is it up, and is the address right?",
    "28": "the server refuses the role or its password; look at --database and the server's pg_hba.conf",
    "3D000": "there is no such database; make it: CREATE DATABASE bruk TEMPLATE template0 LOCALE 'C.UTF-8'",
    "53": "the server has no room or connections left; see to it, then try again",
    "53100": "the server's disk is full; free space, then try again",
    "57P": "the server is going down or not up yet; it is tried again",
    "25006": "the server is read-only; is it a replica?",
    "42501": "the role may not do this; run 'bruk database migrate' as the owner with --grant-to this role",
    "42P01": "the schema is not there; run 'bruk database migrate' as the owner",
    "55P03": "another process holds a lock there; stop it, then try again",
    "40": "the server broke the transaction off; nothing was written, and it may be tried again",
}


def named(url: str) -> URL:
    """The address as SQLAlchemy takes it.

    Raises:
        DatabaseUnfit: it is none, or the driver is not installed.
    """
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        # The driver's own words may quote a part of the password.
        raise DatabaseUnfit(
            "the database's address cannot be read; write postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE, and "
            "in the password %40 for @, %3A for :, %2F for / and %25 for %"
        ) from None
    if made.get_backend_name() not in ("postgresql", "postgres"):
        raise DatabaseUnfit(
            f"there is no store on {made.get_backend_name()!r}: take sqlite:///PATH or postgresql://…"
        )
    if find_spec("psycopg") is None:
        raise DatabaseUnfit("PostgreSQL's driver is not installed: pip install 'bruk[postgres]'")
    _require_known(made)
    if "password" in made.query:
        # In its own place it is never shown.
        made = made.set(password=made.normalized_query["password"][-1]).difference_update_query(["password"])
    return made.set(drivername="postgresql+psycopg")


def _require_known(url: URL) -> None:
    from psycopg import ProgrammingError, conninfo

    try:
        conninfo.make_conninfo("", **{name: items[-1] for name, items in url.normalized_query.items()})
    except ProgrammingError as error:
        raise DatabaseUnfit(f"the database's address has an {error}; leave it out") from None


def engine(url: str) -> Engine:
    """An engine on a PostgreSQL server; nothing is connected yet."""
    address = named(url)
    given = " ".join(address.normalized_query.get("options", ()))
    options = f"{given} -c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC".strip()
    return create_engine(
        address,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": options},
    )


def become_writer(connection: Connection) -> None:
    """Wait until nobody else writes; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_WRITER})


def take_control(connection: Connection) -> bool:
    """Whether this session is now the one control; held until it ends."""
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_CONTROL}).scalar())


def advice(error: DBAPIError) -> str:
    """What to do about an error of the server or of the way to it; empty if it is not one of those."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    if lost and not state:
        said = str(error.orig)
        if "password" in said or "authentication" in said:
            return ADVICE["28"]
        if "does not exist" in said:
            return ADVICE["3D000" if "database" in said.rsplit("FATAL:", 1)[-1] else "28"]
        return ADVICE["08"]
    return next((ADVICE[state[:size]] for size in (5, 3, 2) if state[:size] in ADVICE), "")


def unfit(connection: Connection) -> str:
    """Why this server and database cannot keep the store, and what to do; empty if they can."""
    major = connection.execute(text("SELECT current_setting('server_version_num')::int / 10000")).scalar()
    if int(major or 0) < MAJOR_MIN:
        return f"the server is PostgreSQL {major}; {MAJOR_MIN} is the oldest that is taken"
    row = connection.execute(
        text(
            "SELECT datcollate, pg_encoding_to_char(encoding), datlocprovider::text, datname "
            "FROM pg_database WHERE datname = current_database()"
        )
    ).one()
    if row[1] != "UTF8":
        return f"the database {row[3]} is encoded in {row[1]}; make one with ENCODING 'UTF8'"
    # The locales that are built in all sort by code points; those of ICU never do.
    if row[2] == "i" or (row[2] == "c" and row[0] not in COLLATIONS):
        return (
            f"the database {row[3]} sorts by {row[0]}, and the store wants code points; make one with: "
            "CREATE DATABASE bruk TEMPLATE template0 LOCALE 'C.UTF-8'"
        )
    return ""


def grant(connection: Connection, role: str) -> None:
    """Give a role what control needs and nothing else; what it had beyond that is taken away.

    Raises:
        DatabaseUnfit: there is no such role, or it is the owner's own or a superuser's.
    """
    row = connection.execute(
        text(
            "SELECT rolsuper, pg_has_role(rolname, current_user, 'MEMBER') "
            "FROM pg_roles WHERE rolname = :role"
        ),
        {"role": role},
    ).first()
    if row is None:
        raise DatabaseUnfit(
            f"there is no role {role!r} on the server; make it: CREATE ROLE … LOGIN PASSWORD …"
        )
    if row[0] or row[1]:
        raise DatabaseUnfit(
            f"{role!r} is a superuser, or owns the schema or may become its owner; "
            "give control a role of its own"
        )
    name = connection.dialect.identifier_preparer.quote_identifier(role)
    schema = connection.dialect.identifier_preparer.quote_identifier(_schema(connection))
    database = connection.dialect.identifier_preparer.quote_identifier(_database(connection))
    for statement in (
        # A table of the session's own would stand before the real one of that name.
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {name}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"REVOKE ALL ON SCHEMA {schema} FROM {name}",
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {name}",
        f"GRANT SELECT ON {schema}.{_VERSION_TABLE} TO {name}",
    ):
        connection.exec_driver_sql(statement)
    for table in metadata.sorted_tables:
        rights = "SELECT, INSERT" if table.name in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        connection.exec_driver_sql(f'GRANT {rights} ON {schema}."{table.name}" TO {name}')


_EXCESS = (
    "it is a superuser",
    "it may make and change roles",
    "it may make databases",
    "it may replicate",
    "it passes by row security",
    "it may make temporary tables",
    "it may make schemas",
)


def excess(connection: Connection) -> list[str]:
    """What this connection's role may do beyond what control needs; nothing where all is as it should be."""
    role = text(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, "
        "has_database_privilege(current_user, current_database(), 'TEMPORARY'), "
        "has_database_privilege(current_user, current_database(), 'CREATE') "
        "FROM pg_roles WHERE rolname = current_user"
    )
    found = [words for words, is_so in zip(_EXCESS, connection.execute(role).one(), strict=True) if is_so]
    others = text(
        "SELECT roleid::regrole::text FROM pg_auth_members "
        "WHERE member = (SELECT oid FROM pg_roles WHERE rolname = current_user) ORDER BY 1"
    )
    found += [f"it may act as the role {other}" for other in connection.execute(others).scalars()]
    schema = _schema(connection)
    if connection.execute(
        text("SELECT has_schema_privilege(current_user, :schema, 'CREATE')"), {"schema": schema}
    ).scalar():
        found.append("it may make tables")
    owned = text("SELECT count(*) FROM pg_tables WHERE schemaname = :schema AND tableowner = current_user")
    if connection.execute(owned, {"schema": schema}).scalar():
        found.append("it owns tables, and so may change or drop them")
    may = text("SELECT has_table_privilege(current_user, :name, :right)")
    for table in metadata.sorted_tables:
        rights = ["TRUNCATE", "TRIGGER"]
        if table.name in APPEND_ONLY:
            rights += ["UPDATE", "DELETE"]
        for right in rights:
            if connection.execute(may, {"name": f'{schema}."{table.name}"', "right": right}).scalar():
                found.append(f"it may {right} {table.name}")
    return found


def _database(connection: Connection) -> str:
    return str(connection.execute(text("SELECT current_database()")).scalar())


def _schema(connection: Connection) -> str:
    return str(connection.execute(text("SELECT current_schema()")).scalar())
