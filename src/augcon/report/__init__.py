"""What a person sees of a run: one HTML page."""

from augcon.report.page import write_report

__all__ = ["write_report"]
