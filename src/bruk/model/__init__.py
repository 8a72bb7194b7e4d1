"""The nouns of Bruk: frozen dataclasses, their legal transitions and the Clock protocol.

Uses the standard library alone. Must never read the wall clock, draw a random number or touch a
file: whatever needs one of those takes a :class:`bruk.model.clock.Clock` from its caller.
Look next at ``workload`` and ``run`` for the life of a piece of work, at ``plan`` for what the
scheduler answers, and at ``transitions`` for what may follow what.
"""
