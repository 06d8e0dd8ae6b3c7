"""Write docs/settings.md anew: the page's own words around the settings file of `augcon init`."""

from __future__ import annotations

import re
from pathlib import Path

from augcon.templates import settings_template

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
BLOCK = re.compile(r"(?<=```toml\n).*?(?=```)", re.DOTALL)


def page() -> str:
    """The page as it should be."""
    return BLOCK.sub(lambda _: settings_template(), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
