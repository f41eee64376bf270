"""The report on paper: reportlab, A4, the same bytes for the same audit."""

import io
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from conformance.audit import Audit, Path
from conformance.words import TITLE, Clock, span, word

MARGIN = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
LINES = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#d5dce4")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
)
_SHEET = getSampleStyleSheet()
TEXT = ParagraphStyle("text", parent=_SHEET["BodyText"], fontSize=8, leading=10, spaceBefore=0, wordWrap="CJK")


def document(audit: Audit) -> bytes:
    """The PDF's bytes."""
    clock, buffer = Clock(audit.period), io.BytesIO()
    made = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"{TITLE} – {audit.period.name}",
        invariant=1,
    )
    made.build([*_summary(audit, clock), *(flowable for path in audit.paths for flowable in _visit(path, clock))])
    return buffer.getvalue()


def _summary(audit: Audit, clock: Clock) -> list[Any]:
    period = audit.period
    took = None if audit.median_s is None else timedelta(seconds=audit.median_s)
    rows = [[word(name), str(count)] for name, count in audit.totals.items()]
    states = [[word(d), operation, word(state), str(count)] for d, operation, state, count in audit.states]
    return [
        Paragraph(escape(TITLE), _SHEET["Title"]),
        _text(f"{period.name} ({period.facility}) · {clock.day(period.first)} – {clock.day(period.last)}"),
        _text(f"Keadaan data sampai / Data as of: {clock.instant(audit.as_of)}"),
        Paragraph("Ringkasan / Summary", _SHEET["Heading2"]),
        _table([*rows, [word("median"), span(took)]], (0.8, 0.2)),
        Spacer(1, 3 * mm),
        _table(states, (0.22, 0.38, 0.28, 0.12)) if states else Spacer(1, 0),
        Paragraph("Kunjungan / Visits", _SHEET["Heading2"]),
    ]


def _visit(path: Path, clock: Clock) -> list[Any]:
    visit = path.visit
    facts = [
        ["Pasien / Patient", visit.patient, "Mulai / Start", clock.instant(visit.start)],
        ["SEP", ", ".join(path.sep) or "–", "SATUSEHAT", path.remote.get(visit.reference, "–")],
        [
            "Versi diterima, tidak sesuai / Versions received, not valid",
            f"{len(visit.received)}, {path.broken}",
            "Terima → selesai / Arrival → completion",
            span(path.took),
        ],
    ]
    sent = [
        [
            f"{word(d.destination)} {d.operation}",
            word(d.state),
            clock.instant(d.planned),
            span(d.finished - d.planned if d.finished else None),
            " ".join(f"#{q.evidence}" for q in d.requests),
        ]
        for d in visit.deliveries
    ]
    head = Paragraph(escape(f"{visit.reference} – {word(path.verdict)}"), _SHEET["Heading3"])
    waiting = [_text(f"{d.reason['id']} / {d.reason['en']}") for d in path.latest() if d.reason]
    table = [_table(sent, (0.34, 0.16, 0.22, 0.1, 0.18))] if sent else []
    return [KeepTogether([head, _table(facts, (0.2, 0.3, 0.2, 0.3))]), *waiting, *table, Spacer(1, 3 * mm)]


def _table(rows: list[list[str]], shares: tuple[float, ...]) -> Table:
    cells = [[_text(cell) for cell in row] for row in rows]
    return Table(cells, colWidths=[WIDTH * share for share in shares], style=LINES)


def _text(text: str) -> Paragraph:
    return Paragraph(escape(text), TEXT)
