"""Paths as the user gave them in, every file behind them out, each under a name of its own.

Names are relative to the folder that was given, so that a corpus may move without changing any
id. The trade-off: where two files of two folders would share a name, those two (and no others) are
named after their folders too, so adding a path can rename a file, but never one that is alone.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from augcon.characters import escaped
from augcon.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FoundFile", "find_files"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of the corpus. `trouble` says why it, or a folder of this name, cannot be read."""

    path: Path
    name: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """A file below the folder that the user gave, by which it is named."""

    folder: Path
    relative: PurePath
    trouble: str = ""

    @property
    def path(self) -> Path:
        return self.folder / self.relative

    @property
    def deepest(self) -> int:
        return len(self.folder.parts)

    def name(self, depth: int) -> str:
        """The name with the last `depth` folders above what was given, in NFC.

        Bytes of a file's name that are no UTF-8 are written as escapes, for no store takes them.
        """
        depth = depth if self.relative.parts else max(depth, 1)  # the folder itself
        above = self.folder.parts[self.deepest - depth :]
        name = "/".join([*(part.strip("/\\") for part in above), *self.relative.parts])
        return unicodedata.normalize("NFC", escaped(name))


def find_files(paths: Sequence[Path]) -> list[FoundFile]:
    """The files behind the paths, sorted by name, each file once however often it is given.

    Hidden files and folders below a path are left out. Raises `CorpusError` where no path is
    given, a path does not exist, or a folder holds no file.
    """
    if not paths:
        raise CorpusError("no path was given: name the files or folders to read")
    missing = [str(path) for path in paths if not _exists(path)]
    if missing:
        raise CorpusError(f"{', '.join(missing)}: no such file or folder")
    places = [place for path in paths for place in _places(path)]
    return sorted(_named(_once_each(places)), key=lambda found: found.name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be looked at ({error.strerror})") from error


def _places(path: Path) -> list[_Place]:
    absolute = Path(os.path.normpath(path.absolute()))
    if not path.is_dir():
        return [_Place(absolute.parent, PurePath(absolute.name))]
    places = list(_walk(absolute, PurePath(), set()))
    if not places:
        raise CorpusError(f"{path}: the folder holds no files (hidden ones are left out)")
    return places


def _walk(root: Path, below: PurePath, seen: set[str]) -> Iterator[_Place]:
    """Every file below a folder; a folder that links lead to twice, or back to, is walked once."""
    real = os.path.realpath(root / below)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(
            os.scandir(root / below), key=lambda entry: (entry.is_symlink(), entry.name)
        )
    except OSError as error:
        yield _Place(root, below, error.strerror or str(error))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _walk(root, below / entry.name, seen)
        else:
            yield _Place(root, below / entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it as a file will say what is wrong
        return False


def _once_each(places: list[_Place]) -> list[_Place]:
    """One place for each file; of several, the one that names it with the most folders."""
    by_file: dict[str, _Place] = {}
    for place in places:
        real = os.path.realpath(place.path)
        latest = by_file.setdefault(real, place)
        by_file[real] = max(latest, place, key=lambda it: (len(it.relative.parts), it.name(0)))
    return list(by_file.values())


def _named(places: list[_Place]) -> Iterator[FoundFile]:
    """Names that differ: those that collide get one more folder in front, until none does.

    Files that still collide (names in one folder that only differ by NFC) are told apart by number.
    """
    depths = [0] * len(places)
    while clashing := _clashing(places, depths):
        for index in clashing:
            depths[index] += 1
    numbers: Counter[str] = Counter()
    for place, depth in sorted(zip(places, depths, strict=True), key=lambda it: str(it[0].path)):
        name = place.name(depth)
        numbers[name] += 1
        yield FoundFile(place.path, _numbered(name, numbers[name]), place.trouble)


def _numbered(name: str, number: int) -> str:
    pure = PurePath(name)
    return name if number == 1 else str(pure.with_name(f"{pure.stem} ({number}){pure.suffix}"))


def _clashing(places: list[_Place], depths: list[int]) -> list[int]:
    """The places that share a name with one of another folder, and can still be prefixed."""
    names = [place.name(depth) for place, depth in zip(places, depths, strict=True)]
    folders = defaultdict(set)
    for place, name in zip(places, names, strict=True):
        folders[name].add(place.folder)
    return [
        index
        for index, place in enumerate(places)
        if len(folders[names[index]]) > 1 and depths[index] < place.deepest
    ]
