"""Documents made from the records: invoices, switch receipts, evaluation cards.

Each document is first a plain dictionary without floats, ready to be signed and kept; text, HTML and CSV
are views of it and never add a fact. Nothing here reads a database, a clock or the network, and no page
asks for anything outside itself. Start with `invoice` and `receipt`; `invoice_view`, `receipt_view` and
`card` show them.
"""
