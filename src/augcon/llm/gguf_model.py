"""A GGUF file of the user's own: found or fetched, looked into, and served on this machine.

    path/to.gguf | hf:ORG/REPO:FILE ──▶ file ──▶ header ──▶ does it fit? ──▶ slots and threads

What would otherwise fail after minutes, or bring the machine down, is said before anything starts:
a file that is no model, a context window that the prompts do not fit in, no chat template, too
little memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcon.errors import MissingExtraError, SettingsError
from augcon.llm.cache import Progress
from augcon.llm.hub import fetch_from_hub, parts_of
from augcon.llm.local import LocalServers, Serving
from augcon.llm.machine import free_memory, usable_cores
from augcon.llm.window import demand_room
from augcon.sections import HUB, ModelSettings

__all__ = ["Header", "check_file", "file_bytes", "find_file", "fit", "read_header", "serve_file"]

MOST_SLOTS = 8  # more answer hardly more a second on a processor
OVERHEAD_BYTES = 400_000_000  # of the engine's own buffers
SPARED = 0.1  # share of the free memory that is left alone
SAMPLES = 64  # stretches of each part of a file that its name in the journal depends on
SAMPLE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Header:
    """What decides whether and how a file can be run.

    file_bytes      of all its parts
    context_tokens  its context window
    token_bytes     of the key-value cache, for one token
    """

    path: Path
    architecture: str
    file_bytes: int
    context_tokens: int
    token_bytes: int
    has_chat_template: bool

    @property
    def model_name(self) -> str:
        """The name of its requests in the journal: another file has another.

        From its size and samples of 256 KB all over every part: two models that were trained from
        one differ everywhere, and reading all of it would take longer than loading it.
        """
        told = hashlib.sha256(str(self.file_bytes).encode())
        for part in _paths(self.path):
            size = part.stat().st_size
            last = max(0, size - SAMPLE_BYTES)
            with part.open("rb") as file:
                for sample in range(SAMPLES):
                    file.seek(last * sample // (SAMPLES - 1))
                    told.update(file.read(SAMPLE_BYTES))
        return f"file/{self.path.stem}-{told.hexdigest()[:12]}"


async def serve_file(
    settings: ModelSettings,
    request_tokens: int,
    progress: Progress | None = None,
    principle_tokens: int = 0,
) -> LocalServers:
    """Run the file that the settings name; one server, which also gives embeddings.

    request_tokens    of the longest prompt and its reply
    principle_tokens  of the principles of the answers in it
    Raises SettingsError, ExamplesError, MissingExtraError or AssetError.
    """

    def prepare() -> list[Serving]:
        header, slots = check_file(settings, request_tokens, progress, principle_tokens)
        return [
            Serving(
                path=str(header.path),
                name=header.model_name,
                slots=slots,
                slot_tokens=request_tokens,
                threads=usable_cores(),
                pooling="LAST",
                file_bytes=header.file_bytes,
            )
        ]

    advice = (
        f"Is {settings.name} whole, and of an architecture that llama.cpp knows? "
        "A model server may run it: --base-url"
    )
    return await LocalServers.start(prepare, advice)


def check_file(
    settings: ModelSettings,
    request_tokens: int,
    progress: Progress | None = None,
    principle_tokens: int = 0,
) -> tuple[Header, int]:
    """The file's header, and how many requests it can work on at once here.

    Raises SettingsError, ExamplesError, MissingExtraError or AssetError where it cannot be run.
    """
    header = read_header(find_file(settings.name, progress))
    demand_room(str(header.path), header.context_tokens, principle_tokens)
    return header, fit(header, settings, request_tokens, free_memory())


def find_file(name: str, progress: Progress | None = None) -> Path:
    """The file's path; one of the Hugging Face Hub is fetched first.

    Raises SettingsError where there is no such file, AssetError where it cannot be fetched.
    """
    if name.startswith(HUB):
        return fetch_from_hub(name, progress)
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"model {name!r}: no such file")
    return path


def file_bytes(path: Path) -> int:
    """Of all its parts. Raises OSError where one is missing."""
    return sum(part.stat().st_size for part in _paths(path))


def _paths(path: Path) -> list[Path]:
    return [path.with_name(name) for name in parts_of(path.name)]


def read_header(path: Path) -> Header:
    """Look into a GGUF file without loading it. Raises SettingsError where it is no chat model."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingExtraError("a model on this machine", "local") from error
    try:
        size = file_bytes(path)
        fields = GGUFReader(path).fields
        architecture = str(_field(fields, "general.architecture"))
        if "tokenizer.ggml.model" not in fields or _field(fields, "tokenizer.ggml.model") == "bert":
            raise SettingsError(f"{path}: a GGUF file of a model that writes no text")
        return Header(
            path=path,
            architecture=architecture,
            file_bytes=size,
            context_tokens=int(_field(fields, f"{architecture}.context_length")),
            token_bytes=_token_bytes(fields, architecture),
            has_chat_template="tokenizer.chat_template" in fields,
        )
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise SettingsError(f"{path}: is not a whole GGUF file of a language model") from error


def _token_bytes(fields: Any, architecture: str) -> int:
    """Keys and values of all layers for one token, in 16-bit floats; of a model without, 0."""

    def number(key: str, default: int = 0) -> Any:
        field = fields.get(f"{architecture}.{key}")
        return default if field is None else field.contents()

    layers, heads = int(number("block_count")), number("attention.head_count")
    most = int(max(heads) if isinstance(heads, list) else heads)
    size = int(number("embedding_length")) // max(1, most)
    width = int(number("attention.key_length", size)) + int(number("attention.value_length", size))
    pairs = number("attention.head_count_kv", heads)
    return 2 * width * (sum(pairs) if isinstance(pairs, list) else layers * int(pairs))


def _field(fields: Any, key: str) -> Any:
    return fields[key].contents()


def fit(header: Header, settings: ModelSettings, request_tokens: int, free: int) -> int:
    """How many requests it can work on at once in `free` bytes of memory.

    Raises SettingsError, in one line that says what to do, where it cannot be run as it is set.
    """
    path = header.path
    if settings.endpoint == "chat" and not header.has_chat_template:
        raise SettingsError(
            f"{path}: has no chat template, so it is a base model: "
            'set model.endpoint = "completion", or choose an instruct model'
        )
    if header.context_tokens < request_tokens:
        raise SettingsError(
            f"{path}: its context window of {header.context_tokens} tokens is too small for a "
            f"prompt and a reply of {request_tokens}: lower model.max_tokens "
            f"({settings.max_tokens}) or tree.max_units, or choose another model"
        )
    slot = max(1, request_tokens * header.token_bytes)
    left = free * (1 - SPARED) - header.file_bytes - OVERHEAD_BYTES
    wanted = settings.concurrency or 1
    if left // slot < wanted:
        needed = (header.file_bytes + OVERHEAD_BYTES + wanted * slot) / (1 - SPARED)
        raise SettingsError(
            f"{path}: needs about {needed / 1e9:.1f} GB of memory for {wanted} at once and "
            f"{free / 1e9:.1f} GB are free: choose a smaller or more strongly quantised file, "
            "lower model.max_tokens or model.concurrency, or use a model server with --base-url"
        )
    return settings.concurrency or min(MOST_SLOTS, int(left // slot))
