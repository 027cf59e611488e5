"""Many rows in one statement that always reads the same: they travel as one JSON parameter.

With a parameter for each value, SQLAlchemy and psycopg write and read a new statement for each batch, which took three
quarters of a batch's time (docs/performance.md).
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, TableValuedAlias, any_, bindparam, cast, column, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, JSON, Insert, insert
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import Text

Row = dict[str, Any]


def insert_rows(model: Any, rows: Sequence[Row]) -> Insert:
    """Return an INSERT of rows that all have the same columns; ON CONFLICT and RETURNING can be added to it."""
    told = as_table(model, rows)
    return insert(model).from_select(list(rows[0]), select(*(told.c[name] for name in rows[0])))


def as_table(model: Any, rows: Sequence[Row]) -> TableValuedAlias:
    """Return rows with some of a table's columns as a table to join with or to update from."""
    types = model.__table__.c
    told = cast(bindparam(None, json.dumps(rows, default=_plain), type_=Text()), JSON())
    populate = func.json_populate_recordset(literal_column(f"NULL::{model.__tablename__}"), told)
    return populate.table_valued(*(column(name, types[name].type) for name in rows[0]), name="told")


def one_of(attribute: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Say that a column has one of the values; unlike IN, it reads the same for any number of them."""
    return attribute == any_(bindparam(None, list(values), type_=ARRAY(attribute.type)))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"{type(value).__name__} has no place in a row")
