"""LZString's `decompressFromEncodedURIComponent`, the packing inside VClaim's encrypted replies.

The packed text is a stream of bits, six per character, in codes of growing width written low bit first. Here the whole
stream becomes one string of binary digits, reversed, so that each code costs one slice and one `int(…, 2)`.
Source: https://pieroxy.net/blog/pages/lz-string/ (algorithm); reference bpjs.md §2 (BPJS' use of it).
"""

import base64
import binascii

MAX_CHARACTERS = 32 * 1024 * 1024

_NEW_8_BITS, _NEW_16_BITS, _END = 0, 1, 2
_FLIPPED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_TO_BASE64 = bytes.maketrans(b" -", b"+/")


class _Numbers(dict[str, int]):
    """Binary digits → number; a dict finds a known string in half the time that `int` takes."""

    def __missing__(self, digits: str) -> int:
        number = int(digits, 2)
        if len(digits) <= 12:
            self[digits] = number
        return number


_numbers = _Numbers()


class LZStringError(ValueError):
    """The text was not packed by LZString, or not all of it is here."""


def decompress(packed: str, *, max_characters: int = MAX_CHARACTERS) -> str:
    """Unpack `packed`; raise LZStringError where it is malformed, cut off, or unpacks to more than the limit."""
    bits = _reversed_bits(packed)
    end = len(bits)
    first = end - 6 * len(packed)
    numbers = _numbers
    entries = ["", "", ""]
    size, limit, width = 3, 4, 2
    total, word = 0, ""
    found: list[str] = []
    while True:
        start = end - width
        if start < first:
            raise LZStringError("the packed text is cut off")
        code = numbers[bits[start:end]]
        end = start
        if code > _END:
            if code < size:
                entry = entries[code]
            elif code == size and word:
                entry = word + word[0]
            else:
                raise LZStringError("a code that stands for nothing")
        elif code == _END:
            return _joined(found)
        else:
            start = end - (8 if code == _NEW_8_BITS else 16)
            if start < first:
                raise LZStringError("the packed text is cut off")
            entry = chr(numbers[bits[start:end]])
            end = start
            entries.append(entry)
            size += 1
            if size == limit:
                limit <<= 1
                width += 1
        found.append(entry)
        total += len(entry)
        if total > max_characters:
            raise LZStringError(f"it unpacks to more than {max_characters} characters")
        if word:
            entries.append(word + entry[0])
            size += 1
        if size == limit:
            limit <<= 1
            width += 1
        word = entry


def _reversed_bits(packed: str) -> str:
    try:
        text = packed.encode("ascii").translate(_TO_BASE64)
        raw = base64.b64decode(text + b"A" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise LZStringError("not in LZString's alphabet") from error
    if not raw:
        raise LZStringError("nothing was packed")
    return format(int.from_bytes(raw.translate(_FLIPPED), "little"), f"0{len(raw) * 8}b")


def _joined(found: list[str]) -> str:
    text = "".join(found)
    # LZString packs UTF-16 code units: two halves of a character may have come from two codes.
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
