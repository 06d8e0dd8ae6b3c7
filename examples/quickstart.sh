#!/bin/sh
# The main job, start to end, on the documents in examples/corpus. Every line is a real command.
# It needs Python 3.11 to 3.13 with pip, and nothing else: no server, no key.
set -eu
cd "$(dirname "$0")/.."

python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
    echo "AugCon needs Python 3.11 to 3.13; this python3 is $(python3 --version)" >&2
    exit 1
}

# An environment of its own; one that is there already is used again.
test -x .venv/bin/python || python3 -m venv .venv

# AugCon, with what the embedded model needs ("local").
.venv/bin/python -m pip install --quiet --editable '.[local]'

# Stop this with Ctrl-C if you like: the same command goes on where it stopped.
# The first run fetches the embedded model (180 MB) into your cache.
.venv/bin/augcon run examples/corpus -o runs/quickstart --config examples/augcon.toml

# The books: nothing may be lost between the documents and the dataset.
.venv/bin/augcon status runs/quickstart > /dev/null

# The same pairs as a training program takes them.
.venv/bin/augcon export runs/quickstart --format messages
