"""Faults after which a request is never answered whole, by their names."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

from tests.simulation.faults import Faults


async def _reset(request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
    """Break the connection, so that the other side reads an error and not an end."""
    transport = request.transport
    if transport is not None:
        at_once = struct.pack("ii", 1, 0)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        transport.abort()
    return await _hang(request, faults)


async def _hang(request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
    """Until the connection is lost, which cancels this."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def _hang_body(request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
    await _begun(request)
    return await _hang(request, faults)


async def _drip(request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
    response = await _begun(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(faults.drip_every)


async def _begun(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return response


UNANSWERED = {"reset": _reset, "hang": _hang, "hang_body": _hang_body, "drip": _drip}
