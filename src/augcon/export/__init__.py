"""The dataset as files."""

from augcon.export.formats import FORMATS, as_record, lines
from augcon.export.write import write_dataset

__all__ = ["FORMATS", "as_record", "lines", "write_dataset"]
