"""docs/simrs.md: each request in it is sent, each answer is the one shown, and its table is the one in force.

`python -m tests.fhir.test_guide` writes the table anew.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from gateway.errors import refusals
from tests.support.server import MakeClient

GUIDE = Path(__file__).parents[2] / "docs" / "simrs.md"
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?<=<!-- refusals -->\n).*?(?=<!-- end -->)", re.DOTALL)


class Message(NamedTuple):
    """An HTTP message as the guide writes it."""

    start: str
    headers: dict[str, str]
    body: str


def parsed(block: str) -> Message:
    """First line, headers, an empty line, body."""
    head, _, body = block.partition("\n\n")
    start, *lines = head.strip().splitlines()
    return Message(start, dict(line.split(": ", 1) for line in lines), body.strip())


def matches(shown: Any, real: Any, known: dict[str, str], path: str = "") -> None:
    """What is shown must be in the real answer; `{name}` is remembered the first time and compared afterwards."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert key in real, f"{path}.{key} is not in {real}"
            matches(value, real[key], known, f"{path}.{key}")
    elif isinstance(shown, list):
        assert len(real) >= len(shown), f"{path} has {len(real)} items"
        for number, value in enumerate(shown):
            matches(value, real[number], known, f"{path}[{number}]")
    elif isinstance(shown, str) and (name := re.fullmatch(r"\{(\w+)\}", shown)):
        assert known.setdefault(name[1], real) == real, path
    else:
        assert shown == real, path


def filled(text: str, known: dict[str, str]) -> str:
    """The text with each `{name}` that is known in its place."""
    return re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], name[0]), text)


async def test_every_example_of_the_guide_works(make_client: MakeClient) -> None:
    client = await make_client("simrs", facility="rs-melati", language="id")
    blocks = [parsed(block) for block in BLOCK.findall(GUIDE.read_text("utf-8"))]
    assert len(blocks) >= 20
    assert len(blocks) % 2 == 0
    known: dict[str, str] = {}
    for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
        method, _, path = filled(asked.start, known).partition(" ")
        headers = {"Content-Type": "application/fhir+json", **asked.headers}
        url = httpx.URL(f"http://gateway.test{path}")
        answer = await client.request(method, url, headers=headers, content=filled(asked.body, known))
        assert f"{answer.status_code} {answer.reason_phrase}" == shown.start, (asked, answer.text)
        for name, value in shown.headers.items():
            assert answer.headers[name] == value
        matches(json.loads(shown.body), answer.json(), known)


def table() -> str:
    """The refusals as Markdown."""
    rows = [
        f"| {number} | {refusal.status} | {refusal.text['id'][0]}<br>{refusal.text['en'][0]} "
        f"| {refusal.text['id'][1]}<br>{refusal.text['en'][1]} |"
        for number, refusal in refusals().items()
    ]
    return "\n".join(["| number | status | what is wrong | what to do |", "|---|---|---|---|", *rows, ""])


def test_the_guides_table_is_the_one_in_force() -> None:
    (written,) = TABLE.findall(GUIDE.read_text("utf-8"))
    assert written == table(), "run python -m tests.fhir.test_guide"


if __name__ == "__main__":
    GUIDE.write_text(TABLE.sub(lambda _: table(), GUIDE.read_text("utf-8")), "utf-8")
