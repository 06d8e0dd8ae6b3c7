"""A file in the making: what was paid for so far, and its first lines, in a folder beside it.

    OUT.jsonl              there once it is whole
    OUT.jsonl.unfinished/  until then: the journal of replies, the lines so far, a lock

Whatever ends the work, a kill too, the same command finds every reply in the journal. The folder
goes when the file is whole, or when nothing was asked.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from augcon.characters import escaped
from augcon.errors import OutputError
from augcon.records import content_id
from augcon.store.database import Database, store_errors
from augcon.store.journal import SqliteJournal
from augcon.store.ledger import Ledger
from augcon.store.run import locked

__all__ = ["Unfinished"]


class Unfinished:
    """Enter it to work on the file; `finish` puts it in its place.

    lines  where the file's lines are written meanwhile
    """

    def __init__(self, out: Path, source: Path, identity: str) -> None:
        """
        source    the file that is read
        identity  of the settings that decide the replies' form, for what is remembered

        Raises OutputError where the file is there already, another process is at work on it, or it
        holds replies that were paid for another source.
        """
        if out.exists():
            what = "is a folder; -o takes a file" if out.is_dir() else "is there already"
            raise OutputError(f"{out}: {what}; choose another file with -o")
        self._out = out
        self._identity = identity
        self.folder = self.folder_of(out)
        with store_errors(out):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = locked(self.folder)
        try:
            self._database = Database(self.folder / "journal.db")
        except BaseException:
            self._lock.release()
            raise
        self.lines = self.folder / "lines.jsonl"
        self.journal = SqliteJournal(self._database)
        self._ledger = Ledger(self._database)
        self._take(escaped(str(source.absolute())))

    def _take(self, source: str) -> None:
        """Write down what is read, or find that it is what was read before."""
        before = self._ledger.fact("source")
        if before not in (None, source) and (paid := self.journal.totals().calls):
            self._database.close()
            self._lock.release()
            raise OutputError(
                f"{self.folder}: holds {paid} replies about {before}; go on with that, choose "
                "another file with -o, or delete the folder"
            )
        self._ledger.set_fact("source", source)

    @staticmethod
    def folder_of(out: Path) -> Path:
        return Path(f"{out}.unfinished")

    async def remember(self, name: str, do: Callable[[], Awaitable[str]], *inputs: str) -> str:
        """The output of a step: what was written down for it, or done now and written down."""
        identity = content_id("step", name, self._identity, *inputs)
        known = self._ledger.step(identity)
        if known is None:
            known = await do()
            await self._ledger.finish_step(identity, name, known)
        return known

    def finish(self) -> None:
        """The lines are all there: they become the file."""
        with store_errors(self._out):
            with self.lines.open("rb+") as file:
                os.fsync(file.fileno())
            self.lines.replace(self._out)

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        needed = kind is not None and self.journal.totals().calls > 0
        self._database.close()
        if not needed:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
