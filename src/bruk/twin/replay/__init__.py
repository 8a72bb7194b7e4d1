"""Fast replay: a trace of jobs through a queue and a pool of devices, event by event.

``formats`` reads traces, ``play`` plays them by an order and a way of backfilling, ``figures`` says how it
went: waiting, use, energy and carbon. It knows no law, no quotas and no failures; for those see
``twin.world``, which runs the whole product.
"""
