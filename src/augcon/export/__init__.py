"""The dataset as files, and the few-shot examples."""

from augcon.export.examples import write_examples
from augcon.export.formats import FORMATS, as_record, lines
from augcon.export.write import write_dataset

__all__ = ["FORMATS", "as_record", "lines", "write_dataset", "write_examples"]
