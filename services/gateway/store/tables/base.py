"""What all tables share."""

from typing import Any

from sqlalchemy import BigInteger, Integer, MetaData, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def only_where(condition: str, *, on_sqlite: str | None = None) -> dict[str, Any]:
    """Makes an index partial. A query is led through it only if it says the same: with no parameter, and word for word.

    Of a boolean column SQLAlchemy says `is_open` (`NOT is_open`) to PostgreSQL, and `is_open = 1` (`= 0`) to SQLite.
    """
    return {"postgresql_where": text(condition), "sqlite_where": text(on_sqlite or condition)}


# SQLite counts up by itself only in a column of exactly this type.
Position = BigInteger().with_variant(Integer(), "sqlite")
