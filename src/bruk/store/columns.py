"""What all tables are made of: the metadata with its names, and the kinds of column."""

from sqlalchemy import Column, ForeignKey, MetaData

from bruk.store.values import Whole, Words

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


def ms(name: str, nullable: bool = False) -> Column[int]:
    """A time [ms]."""
    return Column(name, Whole, nullable=nullable)


def text(name: str, nullable: bool = False) -> Column[str]:
    """Text of any length."""
    return Column(name, Words(), nullable=nullable)


def key(name: str, *, references: str | None = None, primary: bool = False) -> Column[str]:
    """An identifier, perhaps of a row elsewhere."""
    if references:
        return Column(name, Words(200), ForeignKey(references), primary_key=primary, nullable=False)
    return Column(name, Words(200), primary_key=primary, nullable=False)
