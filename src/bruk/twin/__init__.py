"""The twin: the product's own code on traces and on a virtual clock, before anyone trusts it with a site.

Four things are exchanged: clock, chance, engine and where the store lives. It must never decide anything
that the product decides. ``world`` is a whole cloud with faults drawn from a seed; ``storm`` runs many of
them. ``place`` replays arrivals on the scheduler's own fleet: ``protocol`` makes them as a published
comparison did, ``openb`` and ``trace`` read its files. ``replay`` plays traces of jobs through a queue.
``picture`` draws.
"""
