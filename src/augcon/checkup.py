"""Is everything there that a run needs: the package's extras, the model, its server, a key?"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from augcon.assemble import NO_EMBEDDINGS, NO_NEAREST, longest_request, principle_tokens
from augcon.config import Settings
from augcon.errors import AugConError, ExamplesError
from augcon.llm.base import TryAgain
from augcon.llm.local import Check, check_engine
from augcon.llm.models import api_key, connect, demand_room_at_servers, probe, probing
from augcon.llm.openai import OpenAIModel
from augcon.llm.window import FEWEST_IN_DOUBT
from augcon.sections import HUB, ModelSettings

__all__ = ["Check", "examine"]

SCARCE_BYTES = 1_000_000_000


async def examine(settings: Settings) -> list[Check]:
    """Every finding, in the order in which they matter."""
    checks = list(_machine())
    if settings.model.kind == "embedded":
        from augcon.llm.embedded import check_embedded

        return checks + check_embedded()
    if settings.model.kind == "file":
        return checks + list(_file(settings))
    return checks + await _server(settings)


def _machine() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", (3, 11) <= sys.version_info < (3, 14), version)
    free = shutil.disk_usage(Path.cwd()).free
    yield Check("disk", free > SCARCE_BYTES, f"{free / 1e9:.1f} GB free here")


def _file(settings: Settings) -> Iterator[Check]:
    """What a GGUF file needs; one of the hub is not fetched for it."""
    from augcon.llm.gguf_model import check_file

    engine = check_engine()
    yield from engine
    if not all(check.ok for check in engine):
        return
    name, tokens = settings.model.name, longest_request(settings)
    if name.startswith(HUB):
        yield Check("file", True, f"{name} is fetched when a run starts, unless it is there")
        return
    try:
        told = principle_tokens(settings)
        header, slots = check_file(settings.model, tokens, principle_tokens=told)
    except AugConError as error:
        yield Check("file", False, str(error))
        return
    size = f"{header.file_bytes / 1e9:.1f} GB"
    window = f"a context window of {header.context_tokens} tokens"
    yield Check("file", True, f"{header.path.name}: {header.architecture}, {size}, {window}")
    yield Check("memory", True, f"room for {slots} requests of {tokens} tokens at once")


async def _server(whole: Settings) -> list[Check]:
    settings = whole.model
    key = api_key(settings.api_key_env)
    found = "is set" if key else "is not set (a local server needs none)"
    checks = [
        Check("key", True, f"{settings.api_key_env} {found}", needed=False),
        *[await _listed(url, key, settings) for url in settings.base_urls],
    ]
    models = connect(settings, settings.name)
    try:
        abilities = await probe(probing(models, settings), settings)
    except AugConError as error:
        return [*checks, Check("model", False, str(error))]
    finally:
        for model in models:
            await model.close()
    schema = "takes JSON schemas" if abilities.schema else "takes no schema: marked plain text"
    embeddings = abilities.embeddings or "none served: the fallback ranker will be used"
    return [
        *checks,
        *_comparing(whole, able=bool(abilities.embeddings)),
        *await _principles(whole),
        Check("model", True, f"{settings.name} answers"),
        Check("structure", abilities.schema, schema, needed=False),
        Check("embeddings", bool(abilities.embeddings), embeddings, needed=False),
    ]


def _comparing(settings: Settings, *, able: bool) -> Iterator[Check]:
    """What compares texts by meaning, where the settings ask for it."""
    if settings.split == "semantic":
        yield Check("split", able, "semantic" if able else NO_EMBEDDINGS)
    if settings.answers.by_meaning:
        yield Check("examples", able, "nearest" if able else NO_NEAREST)


async def _principles(settings: Settings) -> list[Check]:
    """Whether long principles leave room in the window that the server tells, if it tells one."""
    tokens = principle_tokens(settings)
    if tokens < FEWEST_IN_DOUBT:
        return []
    try:
        await demand_room_at_servers(settings.model, tokens)
    except ExamplesError as error:
        return [Check("principles", False, str(error))]
    return [Check("principles", True, f"about {tokens} tokens")]


async def _listed(url: str, key: str | None, settings: ModelSettings) -> Check:
    """Whether the server lists the model; some servers list nothing and serve it all the same."""
    server = OpenAIModel(url, settings.name, key, timeout=20.0)
    try:
        names = await server.list_models()
    except (AugConError, TryAgain) as error:
        return Check("server", False, str(error.args[0]), needed=False)
    finally:
        await server.close()
    if settings.name in names:
        return Check("server", True, f"{url} serves {settings.name}")
    listed = ", ".join(names[:8]) or "nothing"
    return Check(
        "server", False, f"{url} does not list {settings.name}, but {listed}", needed=False
    )
