"""Resources that come with every act and differ in a few values only: their text is made once, with gaps.

Content and index rows of a form are made as those of any resource, of one that has marks in the place of its values;
what is kept is their text. A value is an id or the instant of the act, both of which the index holds as they are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from profiles import fhirjson
from profiles.fhirjson import Resource

from .extract import Plan
from .facilities import Place
from .model import Version
from .rows import Block, block
from .write import instant, new_id, stamped

MARKS = tuple(f"{uuid4().hex}-{number}" for number in range(3))
"""What stands in the place of an id."""
MOMENT = datetime(1583, 3, 7, 5, 11, 13, 719000, tzinfo=UTC)
"""What stands in the place of the instant."""
_OWN_ID, _UPDATED = uuid4().hex, datetime(1583, 3, 8, tzinfo=UTC)
_WIDTH = timedelta(milliseconds=1)

Texts = Sequence[str]
"""The columns of one table, with gaps."""


def _shapes(moment: datetime) -> dict[str, str]:
    """An instant as content, words and dates have it."""
    said = instant(moment)
    return {"at": said, "spoken": said.lower(), "low": moment.isoformat(), "high": (moment + _WIDTH).isoformat()}


_GAPS = {
    **{mark: str(number) for number, mark in enumerate(MARKS)},
    **{shape: name for name, shape in _shapes(MOMENT).items()},
    _OWN_ID: "id",
    instant(_UPDATED): "updated",
}
"""Mark → name of the gap."""


def _gaping(text: str) -> str:
    text = text.replace("%", "%%")
    for mark, name in _GAPS.items():
        text = text.replace(mark, f"%({name})s")
    return text


class Form:
    """A resource with MARKS and MOMENT in it."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self._content = _gaping(fhirjson.encode(stamped(resource, _OWN_ID, 1, _UPDATED)).decode())
        self._plan: Plan | None = None
        self._fixed: Block = {}
        self._gaping: dict[str, tuple[int, Texts]] = {}

    def content(self, values: Mapping[str, str]) -> bytes:
        """The JSON."""
        return (self._content % values).encode()

    def block(self, values: Mapping[str, str], plan: Plan, place: Place) -> Block:
        """The index rows."""
        if plan is not self._plan:
            self._learn(plan, place)
        filled = {
            table: (count, tuple([text % values for text in texts])) for table, (count, texts) in self._gaping.items()
        }
        return {**self._fixed, **filled}

    def _learn(self, plan: Plan, place: Place) -> None:
        """What a plan makes of the marks; they are no references to an address and no local times."""
        made = block(plan.extract(self.resource, place.zone, place.bases))
        texts = {table: (count, [_gaping(text) for text in columns]) for table, (count, columns) in made.items()}
        gaping = {table for table, (_, columns) in texts.items() if any("%(" in text for text in columns)}
        self._fixed = {table: columns for table, columns in made.items() if table not in gaping}
        self._gaping = {table: texts[table] for table in gaping}
        self._plan = plan


class Filled(NamedTuple):
    """A form with its values: ids in the order of MARKS, and an instant in whole milliseconds."""

    form: Form
    ids: Sequence[str]
    moment: datetime

    @property
    def resource(self) -> Resource:
        """As any resource that is to be written."""
        made = fhirjson.decode(self.form.content(self._values("")))
        return {key: value for key, value in made.items() if key not in ("id", "meta")}

    def made(self, place: Place, plan: Plan) -> tuple[Version, Block]:
        """Its first version, and its index rows by the plan of its type."""
        type, id = self.form.resource["resourceType"], new_id()
        values = self._values(id)
        version = Version(place.slug, type, id, 1, self.moment, "POST", self.form.content(values))
        return version, self.form.block(values, plan, place)

    def _values(self, id: str) -> dict[str, str]:
        shapes = _shapes(self.moment)
        values = {"id": id, "updated": shapes["at"], **shapes}
        values.update((str(number), value) for number, value in enumerate(self.ids))
        return values
