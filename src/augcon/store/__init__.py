"""The run's memory: database, journal, ledger and books."""

from augcon.store.books import Books, StageBooks
from augcon.store.run import Run, write_atomically

__all__ = ["Books", "Run", "StageBooks", "write_atomically"]
