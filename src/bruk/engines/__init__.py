"""What runs work. ``base`` is the small protocol every engine keeps; the folders beside it are engines.

An engine knows processes and devices. It must never know tenants' money, residency or control.
"""
