"""``python -m bruk`` is the command line."""

from bruk.cli.main import run

run()
