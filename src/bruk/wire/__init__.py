"""JSON shapes between processes and for clients. Pydantic lives here, not in the domain.

``codec`` turns domain dataclasses into JSON and back, so that what a client reads has the very
names of the nouns. ``requests`` holds what clients send, with its limits; ``answers``
what they get that puts several nouns together; ``agent`` and ``gateway`` what those processes
exchange with control; ``problem`` the errors; ``tree`` a folder as one file.
Must never import a room above it.
"""
