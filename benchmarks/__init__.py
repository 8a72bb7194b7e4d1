"""What ``make bench`` runs. Each module has ``run() -> list[Row]``; ``__main__`` writes the table."""
