"""What can be wrong with a database, as errors that say what to do."""

from bruk.model.errors import BrukError, Conflict, ErrorKind, InvalidInput

__all__ = ["DatabaseInUse", "DatabaseUnfit", "SchemaOutdated", "StoreDamaged", "StoreUnavailable"]


class StoreUnavailable(BrukError):
    """The database cannot be read or written now: disk full, locked, read-only, away."""

    code = "store_unavailable"
    kind = ErrorKind.UNAVAILABLE


class StoreDamaged(BrukError):
    """The database's own check says that its file is damaged."""

    code = "store_damaged"
    kind = ErrorKind.INTERNAL


class DatabaseInUse(Conflict):
    """Another control works on this database."""

    code = "database_in_use"


class DatabaseUnfit(InvalidInput):
    """The database, its server or the role cannot be used as they are."""

    code = "database_unfit"


class SchemaOutdated(Conflict):
    """The schema is of another version, and this role may not change it."""

    code = "schema_outdated"
