"""Bulk Data and the asynchronous pattern: work that takes longer than a request, as jobs that outlive the process.

A job is a row (`jobs.py`) and a folder below GAPURA_HOME/bulk (`files.py`). `kickoff.py` and `status.py` are its HTTP
side; a `Worker` in each process claims jobs and does them (`export.py`, `imports.py`, `interaction.py`).

Source: https://hl7.org/fhir/uv/bulkdata/STU2/, https://hl7.org/fhir/R4/async.html
"""
