"""A site's hand: it makes the site follow what control wants and says what it sees.

It syncs with control, stages inputs, drives the engine, meters, obeys the key and buffers while
cut off. It must never reach ``control`` or ``store``: they are on another machine. Work that runs
outlives it; a restarted agent adopts it and starts nothing twice.

Look next at ``hand`` for the step functions, ``agent`` for the loop that calls them, ``sync`` for
the wire, ``local_hold`` for the site's own key.
"""
