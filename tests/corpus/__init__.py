"""Tests of the corpus: a package, so that other folders may have files of the same names."""
