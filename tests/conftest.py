from __future__ import annotations

from hypothesis import settings

# How long an example takes tells of the machine, and not of what is tested.
settings.register_profile("augcon", deadline=None)
settings.load_profile("augcon")
