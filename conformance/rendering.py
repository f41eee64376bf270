"""An audit as HTML, JSON, CSV or PDF. The same audit gives the same bytes; `digest` names them."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from conformance.audit import Audit
from conformance.words import TITLE, Clock, span, word

CSV_COLUMNS = (
    "visit",
    "patient",
    "verdict",
    "sep",
    "delivery",
    "destination",
    "operation",
    "source",
    "source_version",
    "state",
    "planned",
    "finished",
    "seconds",
    "requests",
    "reason_id",
    "reason_en",
)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal: two reports of the same data bear the same one."""
    return hashlib.sha256(content).hexdigest()


def html(audit: Audit) -> bytes:
    """A page to read and print; no script, no outside resource."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("conformance"), autoescape=True, trim_blocks=True)
    took = None if audit.median_s is None else timedelta(seconds=audit.median_s)
    template = environment.get_template("report.html.j2")
    page = template.render(audit=audit, clock=Clock(audit.period), word=word, span=span, median=took, title=TITLE)
    return page.encode()


def json_(audit: Audit) -> bytes:
    """Everything, with instants in UTC."""
    found = {
        "period": asdict(audit.period),
        "as_of": audit.as_of,
        "totals": audit.totals,
        "median_s": audit.median_s,
        "visits": [
            {**asdict(p.visit), "verdict": p.verdict, "sep": p.sep, "remote": p.remote, "took_s": _seconds(p.took)}
            for p in audit.paths
        ],
    }
    return json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True, default=_plain).encode() + b"\n"


def csv_(audit: Audit) -> bytes:
    """One line a delivery (a visit without any has one, too), for spreadsheets: UTF-8 with its mark, semicolons."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for path in audit.paths:
        start = (path.visit.reference, path.visit.patient, path.verdict, " ".join(path.sep))
        for d in path.visit.deliveries:
            reason = d.reason or {}
            took = d.finished - d.planned if d.finished else None
            what = (d.number, d.destination, d.operation, d.source, d.source_version, d.state)
            when = (_plain(d.planned), _plain(d.finished) if d.finished else "", _seconds(took))
            said = (len(d.requests), reason.get("id", ""), reason.get("en", ""))
            writer.writerow([_cell(value) for value in (*start, *what, *when, *said)])
        if not path.visit.deliveries:
            writer.writerow([_cell(value) for value in (*start, *[""] * (len(CSV_COLUMNS) - len(start)))])
    return text.getvalue().encode("utf-8-sig")


def pdf(audit: Audit) -> bytes:
    """The summary and each visit on A4."""
    from conformance.pdf import document

    return document(audit)


FORMATS: Mapping[str, Callable[[Audit], bytes]] = {"html": html, "pdf": pdf, "json": json_, "csv": csv_}


def _cell(value: Any) -> Any:
    # A spreadsheet runs a cell that begins like a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _seconds(took: timedelta | None) -> float | None:
    return None if took is None else took.total_seconds()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value)
