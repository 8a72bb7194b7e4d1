"""The engine for one machine: real processes, each under a small supervisor that outlives Bruk.

Look at ``engine`` for what the agent calls, at ``supervisor`` for what watches over one run, at
``records`` for the files through which the two speak, and at ``isolation`` for how a run's command
is wrapped. This file stays empty of imports: the supervisor must start in a few milliseconds.
"""
