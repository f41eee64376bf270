"""Words, lists, positions. Source: https://hl7.org/fhir/R4/search.html#text, #list"""

from gateway.store import Store
from tests.store.search.hospital import wrong

FOUND = [
    ("Location", "_text=taman jakarta", "monas"),
    ("Location", "_text=taman bogor", ""),
    ("Location", "_text=kebun", ""),
    ("Location", "_content=kebun", "bogor"),
    ("Location", "_content=KEBUN or TUGU", "bogor monas"),
    ("Location", '_content="tua di bogor"', "bogor"),
    ("Location", "_content=kebun -tua", ""),
    ("Location", "_content=(kebun OR tugu) and bogor", "bogor"),
    ("Location", "_content=kebun not (tugu or tua)", ""),
    ("Location", "_content=kebun and not tugu", "bogor"),
    ("Condition", "_content=saluran", "isk"),
    ("Condition", "_content=kemarin", "isk"),
    ("Patient", "_list=pantau", "siti"),
    ("Encounter", "_list=pantau", "ranap"),
    ("Encounter", "_list=List/pantau&status=finished", ""),
    ("Encounter", "_list=lain", ""),
    ("Location", "near=-6.18|106.83", "bogor monas"),
    ("Location", "near=-6.18|106.83|5", "monas"),
    ("Location", "near=-6.18|106.83|5|mi", "monas"),
    ("Location", "near=-6.18|106.83|500|m", ""),
    ("Location", "near=-6.18|106.83|5,-6.6|106.8|5", "bogor monas"),
    ("Location", "near=-6.1754|107.8|90", ""),
]


async def test_words_lists_and_positions(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
