"""Where contexts are worked on: in this process."""

from augcon.engine.local import each

__all__ = ["each"]
