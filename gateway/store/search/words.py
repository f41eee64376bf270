"""What `_text` and `_content` are asked → a tsquery: words, `and`, `or`, `not`, `-without`, `(…)`, `"a phrase"`.

Words that nothing joins must all be there. Source: https://hl7.org/fhir/R4/search.html#text
"""

import re

from ..errors import BadParameter
from ..values import plain

_TOKENS = re.compile(r'\s*(?:(?P<sign>[()])|(?P<minus>-)(?=[^\s()])|"(?P<phrase>[^"]*)"|(?P<word>[^\s()"]+))')
_WORDS = re.compile(r"[^\W_]+")
DEEPEST = 20
"""Parentheses within parentheses."""


def tsquery(written: str, text: str) -> str:
    """A text as PostgreSQL's to_tsquery reads it. Raises BadParameter."""
    reader = Reader(written, text)
    found = reader.any()
    if reader.tokens or not found:
        raise BadParameter(written, f'{text!r} cannot be read: words, and, or, not, parentheses and "phrases"')
    return found


class Reader:
    """Reads one text, each token once."""

    def __init__(self, written: str, text: str) -> None:
        self._written, self._depth = written, 0
        self.tokens = [(match.lastgroup or "", match[0].strip()) for match in _TOKENS.finditer(text)][::-1]

    def any(self) -> str:
        """Alternatives."""
        parts = [self._all()]
        while self._word("or"):
            parts.append(self._all())
        return " | ".join(filter(None, parts))

    def _all(self) -> str:
        parts = []
        while self.tokens and self.tokens[-1][1] != ")" and self.tokens[-1][1].lower() != "or":
            if not self._word("and"):
                parts.append(self._one())
        return " & ".join(f"({part})" for part in parts if part)

    def _one(self) -> str:
        kind, text = self.tokens.pop()
        if (kind == "minus" or (kind == "word" and text.lower() == "not")) and self.tokens:
            found = self._one()
            return f"!({found})" if found else ""
        if text == "(":
            self._depth += 1
            if self._depth > DEEPEST:
                raise BadParameter(self._written, f"has more than {DEEPEST} parentheses in each other")
            found = self.any()
            if not self.tokens or self.tokens.pop()[1] != ")":
                raise BadParameter(self._written, "a parenthesis is not closed")
            self._depth -= 1
            return found
        return " <-> ".join(f"'{word}'" for word in _WORDS.findall(plain(text)))

    def _word(self, word: str) -> bool:
        if self.tokens and self.tokens[-1][0] == "word" and self.tokens[-1][1].lower() == word:
            self.tokens.pop()
            return True
        return False
