"""``bruk demo``: the whole life of a model on one machine, with real processes.

``story`` tells it act by act (``train``, ``validate``, ``serve``, ``refuse``, ``bill``); ``scene``
brings Bruk up in a fresh home and takes it down; ``cast`` says who plays; ``screen`` shows
progress; ``chat`` is the client that knows nothing of Bruk. Everything goes
through the doors that people use: the command line's own ``up``, the SDK, the official ``openai``
client. Nothing here reaches into control.
"""

from bruk.cli.demo.story import demo

__all__ = ["demo"]
