"""Where contexts are worked on: in this process."""

from augcon.engine.local import each, single_fault

__all__ = ["each", "single_fault"]
