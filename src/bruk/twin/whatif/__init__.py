"""What would happen to a snapshot if something happened: the product's own scheduler on a virtual clock.

``events`` says what may happen, ``play`` lets time pass over a snapshot, ``compare`` plays it twice, with
and without the events, and says whom they touch. Runs last until their time limits, for nobody knows
better; what is stopped writes a checkpoint and loses nothing; what dies with its node loses what it did
since its last checkpoint. Nobody submits anything new, and agents, engines and messages are not
simulated: for those see ``twin.world``.
"""
