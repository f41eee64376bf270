"""LZString: what BPJS packs is unpacked to the letter, and what is not LZString is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.connectors.vclaim.lzstring import LZStringError, decompress
from gateway.sandbox.vclaim.lzstring import compress

# Made with the JavaScript library, lz-string 1.5.
VECTORS = {
    "": "Q",
    '{"a":1}': "N4IghiBcCMC+Q",
    "aaaaaaaaaaaaaaaa": "IY1-EA",
    '{"list":[]}': "N4IgNglgzgLiBcBtAugXyA",
}


@pytest.mark.parametrize(("text", "packed"), VECTORS.items())
def test_known_texts_in_both_directions(text: str, packed: str) -> None:
    assert decompress(packed) == text
    assert compress(text) == packed


@given(st.text(max_size=300))
def test_every_text_comes_back(text: str) -> None:
    assert decompress(compress(text)) == text


@given(st.text(alphabet='{}":,[]0123456789abkN', max_size=3000))
def test_json_like_texts_come_back(text: str) -> None:
    assert decompress(compress(text)) == text


def test_characters_beyond_the_basic_plane_are_whole_again() -> None:
    text = "🏥" * 50 + "🏨🏥" * 50
    assert decompress(compress(text)) == text


def test_a_plus_that_became_a_blank_is_read_as_plus() -> None:
    packed = next(p for p in (compress(json.dumps([*range(n, n + 200)])) for n in range(50)) if "+" in p)
    assert decompress(packed.replace("+", " ")) == decompress(packed)


@pytest.mark.parametrize("packed", ["", "Ü", "***", "N4Ig", "AAAA", "zzzzzzzz"])
def test_what_is_not_lzstring_is_refused(packed: str) -> None:
    with pytest.raises(LZStringError):
        decompress(packed)


def test_a_cut_text_never_becomes_another_text() -> None:
    text = json.dumps({"nama": "SRI WAHYUNI", "noKartu": "0001137150385"})
    packed = compress(text)
    refused = 0
    for length in range(1, len(packed) - 1):
        try:
            found = decompress(packed[:length])
        except LZStringError:
            refused += 1
        else:  # the bits before the cut happened to spell "end"
            assert text.startswith(found)
            assert found != text
    assert refused > len(packed) * 0.8


def test_a_text_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(LZStringError, match="more than 100000"):
        decompress(compress("a" * 100_001), max_characters=100_000)


def test_published_vectors(shared: Path) -> None:
    vectors = json.loads((shared / "samples/bpjs/crypto_vectors.json").read_text("utf-8"))
    for row in vectors["lz_only"]:
        assert (decompress(row["out"]), compress(row["in"])) == (row["in"], row["out"])
