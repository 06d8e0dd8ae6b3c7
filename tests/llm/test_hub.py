"""--model hf:ORG/REPO:FILE: fetched into the hub's own cache, from a hub that is simulated here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.program import environment

CONTENT = b"GGUF and so on" * 1000
FILES = {
    "/org/repo/resolve/main/model.gguf",
    "/org/repo/resolve/main/big-00001-of-00002.gguf",
    "/org/repo/resolve/main/big-00002-of-00002.gguf",
}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as one download needs."""

    asked: list[tuple[str, str]]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self._answer():
            self.wfile.write(CONTENT)

    def _answer(self) -> bool:
        self.asked.append((self.command, self.path))
        found = self.path in FILES
        self.send_response(200 if found else 404)
        if found:
            self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
            self.send_header("Content-Length", str(len(CONTENT)))
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        return found

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []
    handler = type("Handler", (Hub,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def find(
    name: str, url: str, home: Path, *, downloads: bool = False
) -> subprocess.CompletedProcess[str]:
    script = (
        "import sys\n"
        "from augcon.errors import AugConError\n"
        "from augcon.llm.gguf_model import find_file\n"
        "try:\n"
        "    told = []\n"
        "    print(find_file(sys.argv[1], lambda *step: told.append(step)))\n"
        "    assert all(0 <= done <= size for _, done, size in told), told\n"
        "    assert bool(told) == (len(sys.argv) > 2), told\n"
        "except AugConError as error:\n"
        "    sys.exit(f'{type(error).__name__}: {error}')\n"
    )
    told = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", script, name, *(["downloads"] if downloads else [])],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**told),
        check=False,
    )


def test_a_file_is_fetched_once_and_is_there_without_the_hub(
    hub: tuple[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    url, asked = hub
    done = find("hf:org/repo:model.gguf", url, tmp_path, downloads=True)
    assert Path(done.stdout.strip()).read_bytes() == CONTENT, done.stderr
    again = find("hf:org/repo:model.gguf", url, tmp_path)
    assert again.stdout == done.stdout
    assert [verb for verb, _ in asked].count("GET") == 1
    # dry_run asks the hub; what is in the cache needs no answer.
    offline = find("hf:org/repo:model.gguf", "http://127.0.0.1:9", tmp_path)
    assert offline.stdout == done.stdout


def test_all_parts_of_a_file_are_fetched_and_the_first_is_named(
    hub: tuple[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    done = find("hf:org/repo:big-00001-of-00002.gguf", hub[0], tmp_path, downloads=True)
    first = Path(done.stdout.strip())
    assert first.name == "big-00001-of-00002.gguf"
    assert (first.parent / "big-00002-of-00002.gguf").read_bytes() == CONTENT


def test_a_file_that_the_hub_has_not_is_one_clear_line(
    hub: tuple[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    done = find("hf:org/repo:other.gguf", hub[0], tmp_path)
    assert done.stderr.startswith("AssetError: hf:org/repo:other.gguf cannot be fetched")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_hub_that_cannot_be_reached_is_one_clear_line(tmp_path: Path) -> None:
    done = find("hf:org/repo:model.gguf", "http://127.0.0.1:9", tmp_path)
    last = done.stderr.strip().splitlines()[-1]  # before it the library tells of its retries
    assert last.startswith("AssetError: hf:org/repo:model.gguf is not in the cache")
