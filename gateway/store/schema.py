"""The tables, described for Alembic and for whoever reads the database. The request path never uses SQLAlchemy.

Every row carries its facility. `resource` is the head of each resource, `resource_version` holds the bytes of every
version; the `*_index` tables hold what searches look for in the current version only. A composite parameter's
components are parameters of their own (`code-value-quantity$1`, `$2`) whose rows share a `part`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

C = Text(collation="C")
"""Text compared by code point: ranges over it are prefixes, whatever the cluster's locale."""
INSTANT = DateTime(timezone=True)

metadata = MetaData()

facility = Table(
    "facility",
    metadata,
    Column("id", SmallInteger, Identity(), primary_key=True),
    Column("slug", C, nullable=False, unique=True),
)

search_parameter = Table(
    "search_parameter",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("type", C, nullable=False),
    Column("code", C, nullable=False),
    UniqueConstraint("type", "code"),
)

resource_key = Sequence("resource_key", increment=1000, metadata=metadata)
"""A process draws a thousand keys at once: `nextval` is the first of them."""

resource = Table(
    "resource",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("facility", SmallInteger, nullable=False),
    Column("type", C, nullable=False),
    Column("id", C, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_updated", INSTANT, nullable=False),
    Column("deleted", Boolean, nullable=False),
    UniqueConstraint("facility", "type", "id", name="resource_identity"),
    Index("resource_listing", "facility", "type", "key"),
    Index("resource_last_updated", "facility", "type", "last_updated", "key"),
)

resource_version = Table(
    "resource_version",
    metadata,
    Column("resource", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facility", SmallInteger, nullable=False),
    Column("type", C, nullable=False),
    Column("id", C, nullable=False),
    Column("last_updated", INSTANT, nullable=False),
    Column("method", C, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("resource", "version", name="resource_version_identity"),
    Index("resource_version_history", "facility", "type", "last_updated", "resource", "version"),
)

validation = Table(
    "validation",
    metadata,
    Column("resource", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facility", SmallInteger, nullable=False),
    Column("judged", INSTANT, nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("issues", JSONB, nullable=False),
    Column("profiles", ARRAY(Text), nullable=False),
    Column("rules", ARRAY(Text), nullable=False),
    Column("microseconds", Integer, nullable=False),
    PrimaryKeyConstraint("resource", "version", name="validation_identity"),
    Index("validation_judged", "facility", "judged"),
)

contained = Table(
    "contained",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("facility", SmallInteger, nullable=False),
    Column("container", BigInteger, nullable=False),
    Column("type", C, nullable=False),
    Column("id", C, nullable=False),
    Index("contained_container", "container"),
    Index("contained_listing", "facility", "type", "key"),
)
"""Resources within others: what is searched of them stands under their own keys, as that of all others does."""

crosswalk = Table(
    "crosswalk",
    metadata,
    Column("facility", SmallInteger, nullable=False),
    Column("destination", C, nullable=False),
    Column("local", C, nullable=False),
    Column("remote", C, nullable=False),
    Column("recorded", INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("facility", "destination", "local", name="crosswalk_identity"),
    Index("crosswalk_remote", "facility", "destination", "remote"),
)


def _index(name: str, *values: SchemaItem, lookups: dict[str, tuple[str, ...]]) -> Table:
    """One search index table: the common columns around `values`, an index per lookup and one to forget a resource."""
    return Table(
        name,
        metadata,
        Column("resource", BigInteger, nullable=False),
        Column("parameter", Integer, nullable=False),
        Column("facility", SmallInteger, nullable=False),
        Column("part", SmallInteger, nullable=False),
        *values,
        Index(f"{name}_resource", "resource"),
        *(
            Index(f"{name}_{suffix}", "facility", *(text(c) if "(" in c else c for c in columns))
            for suffix, columns in lookups.items()
        ),
    )


SQUEEZED = 200
"""Characters of a string that its b-tree entry holds (an entry may not exceed a third of a page)."""

token_index = _index(
    "token_index",
    Column("system", BigInteger, nullable=False),
    Column("code", C, nullable=False),
    lookups={"code": ("parameter", "code", "resource", "system")},
)
string_index = _index(
    "string_index",
    Column("folded", C, nullable=False),
    Column("exact", C, nullable=False),
    lookups={"folded": ("parameter", f"left(folded, {SQUEEZED})", "resource")},
)
date_index = _index(
    "date_index",
    Column("low", INSTANT, nullable=False),
    Column("high", INSTANT, nullable=False),
    lookups={"low": ("parameter", "low", "high", "resource"), "high": ("parameter", "high", "resource")},
)
number_index = _index(
    "number_index",
    Column("low", Numeric, nullable=False),
    Column("high", Numeric, nullable=False),
    lookups={"low": ("parameter", "low", "high", "resource"), "high": ("parameter", "high", "resource")},
)
quantity_index = _index(
    "quantity_index",
    Column("low", Numeric, nullable=False),
    Column("high", Numeric, nullable=False),
    Column("system", BigInteger, nullable=False),
    Column("unit", C, nullable=False),
    Column("canonical_low", Numeric),
    Column("canonical_high", Numeric),
    Column("canonical_unit", C),
    lookups={
        "low": ("parameter", "low", "high", "resource"),
        "high": ("parameter", "high", "resource"),
        "canonical": ("parameter", "canonical_unit", "canonical_low", "resource"),
        "canonical_high": ("parameter", "canonical_unit", "canonical_high", "resource"),
    },
)
reference_index = _index(
    "reference_index",
    Column("target_type", C, nullable=False),
    Column("target_id", C, nullable=False),
    lookups={"target": ("target_id", "target_type", "parameter", "resource")},
)
uri_index = _index("uri_index", Column("uri", C, nullable=False), lookups={"uri": ("parameter", "uri", "resource")})
text_index = _index(
    "text_index",
    Column("words", C, nullable=False),
    Index("text_index_words", text("to_tsvector('simple'::regconfig, words)"), postgresql_using="gin"),
    lookups={},
)
position_index = _index(
    "position_index",
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    lookups={"latitude": ("parameter", "latitude", "longitude", "resource")},
)

INDEX_TABLES = (
    token_index,
    string_index,
    date_index,
    number_index,
    quantity_index,
    reference_index,
    uri_index,
    text_index,
    position_index,
)
