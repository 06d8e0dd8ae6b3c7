"""The dataset as files, and the few-shot examples."""

from augcon.export.examples import write_examples
from augcon.export.formats import FORMATS, TURNS, as_record, format_of
from augcon.export.write import write_dataset

__all__ = ["FORMATS", "TURNS", "as_record", "format_of", "write_dataset", "write_examples"]
