"""Commands write what is wanted; steps make plans, commit what still holds, and take in what is observed.

``control`` holds what every part needs. Commands: ``sites``, ``tenancy``, ``access``, ``prices``,
``data``, ``jobs``, ``models``, ``endpoints``, ``switch``, ``invoices``. Steps: ``snapshot`` ->
``scheduler`` -> ``apply``; ``enforce``; ``reconcile``; ``meter``; ``receipts``; run in order by
``step``. Doors for the other processes: ``agents`` and ``gateways``.
Nothing here reads the wall clock or speaks HTTP.
"""
