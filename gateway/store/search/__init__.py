"""Search: parameters are parsed against the definitions, turned into SQL over the index tables, and run.

Source: https://hl7.org/fhir/R4/search.html
"""
