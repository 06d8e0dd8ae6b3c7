"""Tests, laid out as src/augcon is; packages, so that folders may have files of the same names."""
