"""The models of a run, opened for as long as it lasts.

generator  writes text
embedder   gives hidden states of the base model, for the scorer; None where none are served
encoder    gives sentence embeddings; only the embedded model brings one along

What a server can do is asked once per run, with two small requests, and remembered, so that a
resumed run renders the very same prompts.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from augcon.errors import (
    ItemError,
    ModelError,
    NotServedError,
    OutputError,
    ReplyError,
    RequestFailed,
    RequestRefused,
    SettingsError,
)
from augcon.llm.base import Message, Model, Reply, Request, Sampling, TryAgain
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, Journal, MemoryJournal, Meter, Unusable
from augcon.llm.limit import Limit
from augcon.llm.openai import OpenAIModel
from augcon.llm.places import Places
from augcon.llm.warmest import WarmestFirst
from augcon.llm.window import FEWEST_IN_DOUBT, demand_room
from augcon.sections import ModelSettings

__all__ = [
    "Abilities",
    "Models",
    "Remember",
    "api_key",
    "calls_at_once",
    "connect",
    "demand_room_at_servers",
    "open_models",
    "probe",
    "probing",
]

Progress = Callable[[str, int, int], None]
MakeCaller = Callable[[Sequence[Model], Places], Caller]

CALLS_AT_ONCE = 256  # to a server at most, where the settings do not say
OPEN_CONTEXTS = 2  # for each of them at most: those that replay, or wait for the scorer, need none
WAITING = 64  # calls that the embedded servers choose from
SLOWEST_REPLY = 86_400.0  # seconds, of a GGUF file on a processor

PROBE_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
)
PROBE = Request(
    "chat",
    (Message("user", 'Reply with this JSON object and nothing else: {"answer": "yes"}'),),
    sampling=Sampling(max_tokens=64),
    schema=PROBE_SCHEMA,
)


class Remember(Protocol):
    """A step's output: what was written down for this name and these ids of what goes into it, or
    else what doing it gives, which is then written down."""

    async def __call__(
        self, name: str, do: Callable[[], Awaitable[str]], /, *inputs: str
    ) -> str: ...


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the server was found to do: take a JSON schema, and serve embeddings (which model)."""

    schema: bool
    embeddings: str


@dataclass(frozen=True, slots=True)
class Models:
    """The open models of a run. `name` is the generator's.

    ahead  whether contexts may be begun while the scorer is being fitted: a server has room for
           that, a model on this machine has none
    """

    generator: Caller
    embedder: Caller | None
    encoder: Caller | None
    schema: bool
    contexts_at_once: int
    ahead: bool = False

    @property
    def name(self) -> str:
        return self.generator.model.name

    @property
    def comparer(self) -> Caller | None:
        """What embeds texts whose meanings are compared; None where nothing can."""
        return self.encoder or self.embedder


@asynccontextmanager
async def open_models(
    settings: ModelSettings,
    journal: Journal,
    seed: int,
    remember: Remember,
    meter: Meter,
    progress: Progress,
    request_tokens: int,
    budget: Budget,
    principle_tokens: int = 0,
) -> AsyncIterator[Models]:
    """Start or reach the models that the settings name, and let go of them at the end.

    request_tokens    of the longest prompt and its reply, which a model run here makes room for
    principle_tokens  of what every answer is told, which must leave room for the rest
    """

    # A server of this machine that is gone does not come back by itself.
    patience = settings.patience if settings.kind == "server" else 0.0

    def caller(models: Sequence[Model], places: Places) -> Caller:
        first, *others = models
        return Caller(
            first,
            journal,
            seed,
            places,
            budget,
            settings.tries,
            patience=patience,
            meter=meter,
            others=others,
        )

    async with AsyncExitStack() as stack:
        if settings.kind == "embedded":
            yield await _embedded(caller, settings, stack, remember, progress)
        elif settings.kind == "file":
            told = (request_tokens, principle_tokens, remember, progress)
            yield await _file(caller, settings, stack, *told)
        else:
            await demand_room_at_servers(settings, principle_tokens)
            yield await _served(caller, settings, stack, remember)


async def demand_room_at_servers(settings: ModelSettings, principle_tokens: int) -> None:
    """Raise ExamplesError where a server tells a window that the principles do not leave room in.

    Not asked about ordinary principles, so that a run asks no more than it needs.
    """
    if principle_tokens < FEWEST_IN_DOUBT:
        return
    for model in connect(settings, settings.name):
        try:
            with suppress(TryAgain):
                demand_room(model.base_url, await model.window(), principle_tokens)
        finally:
            await model.close()


async def _served(
    caller: MakeCaller, settings: ModelSettings, stack: AsyncExitStack, remember: Remember
) -> Models:
    places = server_places(settings)

    def reach(name: str) -> Caller:
        models = connect(settings, name)
        for model in models:
            stack.push_async_callback(model.close)
        return caller(models, places)

    generator = reach(settings.name)
    found = await remember("abilities", lambda: _probed(generator, settings))
    abilities = Abilities(**json.loads(found))
    embedder = None
    if abilities.embeddings == settings.name:
        embedder = generator
    elif abilities.embeddings:
        embedder = reach(abilities.embeddings)
    most = OPEN_CONTEXTS * calls_at_once(settings) * len(settings.base_urls)
    return Models(generator, embedder, None, abilities.schema, most, ahead=True)


def calls_at_once(settings: ModelSettings) -> int:
    """To one server at most."""
    return settings.concurrency or max(CALLS_AT_ONCE, settings.min_concurrency)


def server_places(settings: ModelSettings) -> Places:
    """Places at every base URL, shared by all that is asked there."""
    most = calls_at_once(settings)
    return Places([Limit(settings.min_concurrency, most) for _ in settings.base_urls])


async def _embedded(
    caller: MakeCaller,
    settings: ModelSettings,
    stack: AsyncExitStack,
    remember: Remember,
    progress: Progress,
) -> Models:
    from augcon.llm.embedded import ENCODER_SLOTS, EmbeddedServers
    from augcon.llm.local import Endpoint

    servers = await EmbeddedServers.start(progress=progress)
    stack.push_async_callback(servers.close)
    await _demand_same_model(remember, servers.generators[0].name)

    def reach(server: Endpoint) -> Model:
        model = OpenAIModel(server.base_url, server.name, server.api_key, settings.timeout)
        stack.push_async_callback(model.close)
        return model

    return Models(
        caller([WarmestFirst([reach(s) for s in servers.generators])], Places.fixed(WAITING)),
        caller([WarmestFirst([reach(s) for s in servers.readers])], Places.fixed(WAITING)),
        caller([reach(servers.encoder)], Places.fixed(ENCODER_SLOTS)),
        schema=False,
        # With more, the texts of one drive those of another out of the servers' caches.
        contexts_at_once=settings.concurrency or len(servers.generators),
    )


async def _file(
    caller: MakeCaller,
    settings: ModelSettings,
    stack: AsyncExitStack,
    request_tokens: int,
    principle_tokens: int,
    remember: Remember,
    progress: Progress,
) -> Models:
    from augcon.llm.gguf_model import serve_file

    servers = await serve_file(settings, request_tokens, progress, principle_tokens)
    stack.push_async_callback(servers.close)
    (server,), (serving,) = servers.endpoints, servers.servings
    await _demand_same_model(remember, server.name)
    # It answers when it can, and a child that is gone is noticed without a time-out.
    timeout = settings.timeout if "timeout" in settings.model_fields_set else SLOWEST_REPLY
    model = OpenAIModel(server.base_url, server.name, server.api_key, timeout)
    stack.push_async_callback(model.close)
    generator = caller([model], Places.fixed(serving.slots))
    schema = settings.structure != "marked" and settings.endpoint == "chat"
    embedder = generator if settings.embeddings != "off" else None
    return Models(generator, embedder, None, schema, contexts_at_once=serving.slots)


async def _demand_same_model(remember: Remember, name: str) -> None:
    """A run goes on with the very file that it was begun with. Raises OutputError otherwise."""

    async def told() -> str:
        return json.dumps({"name": name})

    begun_with = json.loads(await remember("model file", told))["name"]
    if begun_with != name:
        raise OutputError(
            f"this run was begun with the model {begun_with}, and what is here now is {name}: "
            "choose another folder with -o"
        )


def connect(settings: ModelSettings, name: str) -> list[OpenAIModel]:
    """The model of this name at every base URL of the settings."""
    key = api_key(settings.api_key_env)
    variable, silence = settings.api_key_env, settings.read_timeout
    return [
        OpenAIModel(url, name, key, settings.timeout, variable, silence)
        for url in settings.base_urls
    ]


def probing(models: Sequence[Model], settings: ModelSettings) -> Caller:
    """A caller that keeps nothing and asks once."""
    first, *others = models
    return Caller(
        first, MemoryJournal(), places=server_places(settings), tries=1, patience=0, others=others
    )


def api_key(variable: str) -> str | None:
    """The key from the environment, else from a .env file in the working folder."""
    from dotenv import dotenv_values

    try:
        key = os.environ.get(variable) or dotenv_values(".env").get(variable) or ""
    except UnicodeDecodeError as error:
        raise SettingsError(".env: is not a UTF-8 text file") from error
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(f"{variable}: holds a character that no key has; set it again")
    return key or None


async def _probed(generator: Caller, settings: ModelSettings) -> str:
    abilities = await probe(generator, settings)
    return json.dumps({"schema": abilities.schema, "embeddings": abilities.embeddings})


async def probe(generator: Caller, settings: ModelSettings) -> Abilities:
    """Ask the server what it can do. Raises ModelError where it cannot be used at all."""
    schema = settings.structure == "schema"
    if settings.structure == "auto" and settings.endpoint == "chat":
        schema = await _takes_schema(generator)
    return Abilities(schema, await _embedding_model(generator, settings))


async def _takes_schema(generator: Caller) -> bool:
    """Whether a request with a schema is accepted, and its reply is what the schema says."""
    try:
        await generator.ask(PROBE, _json_answer)
    except (RequestRefused, RequestFailed, ReplyError):
        # Without the schema it must work, or the fault is elsewhere and is raised from here.
        await generator.ask(replace(PROBE, schema=""), lambda reply: reply.text)
        return False
    return True


def _json_answer(reply: Reply) -> str:
    try:
        return str(json.loads(reply.text)["answer"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unusable("the schema was not kept") from error


async def _embedding_model(generator: Caller, settings: ModelSettings) -> str:
    if settings.embeddings == "off":
        return ""
    name = settings.name if settings.embeddings == "auto" else settings.embeddings
    model, *others = connect(settings, name)
    # A meter that has counted the generator's calls: this server is known to answer.
    # It has places of its own: that nothing is served under this name is no reason to stop.
    caller = replace(
        generator,
        model=model,
        others=others,
        meter=replace(generator.meter),
        places=server_places(settings),
    )
    try:
        found = await caller.ask(Request("embedding", text="probe"), lambda r: bool(r.embedding))
    except (ItemError, NotServedError) as error:
        if settings.embeddings == "auto":
            return ""  # a server need not serve embeddings; the report names the fallback
        raise ModelError(f"model.embeddings = {name!r} cannot be used: {error}") from error
    except ModelError as error:
        raise ModelError(
            f'{error} That was the probe of its embeddings: model.embeddings = "off" does without'
        ) from error
    finally:
        for one in (model, *others):
            await one.close()
    return name if found else ""
