"""The pages of the reference, made from the code.

Each module makes pages as text; nothing here writes a file or starts a process. ``docs/generate.py``
writes them, and a test compares them with what is committed.
"""
