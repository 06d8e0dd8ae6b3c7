"""The dataset as files."""

from augcon.export.formats import FORMATS, TURNS, as_record, format_of
from augcon.export.write import write_dataset

__all__ = ["FORMATS", "TURNS", "as_record", "format_of", "write_dataset"]
