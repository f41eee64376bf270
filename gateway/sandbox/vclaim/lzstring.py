"""LZString's `compressToEncodedURIComponent`: how the simulated VClaim packs what it encrypts.

Source: https://pieroxy.net/blog/pages/lz-string/; the output equals the JavaScript library's, character for character.
"""

import base64

_FLIPPED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def compress(text: str) -> str:
    """Pack `text`, as UTF-16 code units, into LZString's URI-safe alphabet."""
    codes: dict[str, int] = {}
    unsaid: set[str] = set()
    size, width, room = 3, 2, 2
    word = ""
    pieces: list[tuple[int, int]] = []

    def put(entry: str) -> None:
        nonlocal room, width
        if entry in unsaid:
            unsaid.discard(entry)
            unit = ord(entry)
            pieces.extend([(0, width), (unit, 8)] if unit < 256 else [(1, width), (unit, 16)])
            room -= 1
            if not room:
                room = 1 << width
                width += 1
        else:
            pieces.append((codes[entry], width))
        room -= 1
        if not room:
            room = 1 << width
            width += 1

    for unit in _code_units(text):
        if unit not in codes:
            codes[unit] = size
            size += 1
            unsaid.add(unit)
        if word + unit in codes:
            word += unit
            continue
        put(word)
        codes[word + unit] = size
        size += 1
        word = unit
    if word:
        put(word)
    pieces.append((2, width))
    digits = "".join(format(value, f"0{count}b") for value, count in reversed(pieces))
    # The reference ends with at least one zero bit, then fills the last character.
    characters = len(digits) // 6 + 1
    raw = int(digits, 2).to_bytes((characters * 6 + 23) // 24 * 3, "little").translate(_FLIPPED)
    return base64.b64encode(raw, b"+-").decode("ascii")[:characters]


def _code_units(text: str) -> list[str]:
    raw = text.encode("utf-16-le", "surrogatepass")
    return [chr(raw[i] | raw[i + 1] << 8) for i in range(0, len(raw), 2)]
