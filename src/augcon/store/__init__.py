"""The run's memory: database, journal, ledger and books."""

from augcon.store.books import Books, KindBooks, StageBooks
from augcon.store.outlook import Amounts, Asking, Finished, Forecast, Outlook
from augcon.store.run import Run, write_atomically

__all__ = [
    "Amounts",
    "Asking",
    "Books",
    "Finished",
    "Forecast",
    "KindBooks",
    "Outlook",
    "Run",
    "StageBooks",
    "write_atomically",
]
