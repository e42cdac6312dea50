# SPDX-License-Identifier: Apache-2.0
"""What can happen to a request or a connection of a party.

Orders are those of double/faults.py, with `party` (default: all of them, and each meets the fault
`count` times in all); `path` is what the method's path begins with. Actions are those below, and by
their names what answers.py can make of an answer.
"""

import asyncio
import copy
import os
import time

import h2.errors

from double.faults import HANG_MAX, Fault, Faults
from double.wire import Request

from .answers import DISTORTIONS, Answer
from .http2 import CONTENT_TYPE, framed
from .service import OK, Status

PAUSE = 0.02  # seconds between looks whether a fault was cleared
CHUNK = 1 << 16


class PartyFault(Fault):
    def meets(self, stage, party, request):
        return self.get("party", party.number) == party.number and self.matches(stage, request)

    async def pause(self, seconds):
        end = time.monotonic() + seconds
        while not self.cleared.is_set() and time.monotonic() < end:
            await asyncio.sleep(min(PAUSE, seconds))


async def say(call, result):
    if isinstance(result, Status):
        call.refuse(result)
    else:
        await call.reply(encoded(result))


def encoded(result):
    return result.encode() if isinstance(result, Answer) else result


# ---- what can happen to a request ----

async def delay(fault, call, outcome):
    """Only `delay`."""
    await say(call, await outcome())


async def slow(fault, call, outcome):
    """The answer, `seconds` (default 1) after it was there."""
    result = await outcome()
    await fault.pause(float(fault.get("seconds", 1)))
    await say(call, result)


async def hang(fault, call, outcome):
    """Never answers; resets the stream when it is cleared."""
    await fault.pause(float(fault.get("seconds", HANG_MAX)))
    call.reset()


async def status(fault, call, outcome):
    """Ends with `code` and `message`, trailers only, or with `late` after the headers."""
    if fault.get("late"):
        call.start()
        call.finish(fault.get("code"))
    else:
        call.refuse(Status(fault.get("code"), fault.get("message", "")))


async def http(fault, call, outcome):
    """What a proxy in front answers: HTTP `status`, and a page."""
    call.send_headers([(":status", str(fault.get("status", 503))), ("content-type", "text/html")])
    await call.send_data(b"<html>%s</html>" % fault.get("text", "no upstream").encode(), True)


async def oversize(fault, call, outcome):
    """A message of `bytes` (default 1 GiB), as far as the client takes it."""
    left = int(fault.get("bytes", 1 << 30))
    call.start()
    await call.send_data(framed(b"")[:1] + left.to_bytes(4, "big"))
    while left > 0 and not fault.cleared.is_set():
        await call.send_data(bytes(min(left, CHUNK)))
        left -= CHUNK
    call.reset()


async def truncate(fault, call, outcome):
    """`after` bytes (default 40) of the answer's frame; `then` trailers (default), end, rst or
    close."""
    message = framed(encoded(await outcome()))
    call.start()
    await call.send_data(message[:int(fault.get("after", 40))], fault.get("then") == "end")
    if fault.get("then") == "rst":
        call.reset(h2.errors.ErrorCodes.INTERNAL_ERROR)
    elif fault.get("then") == "close":
        await call.connection.writer.drain()
        call.connection.writer.close()
    elif fault.get("then") != "end":
        call.finish()


async def rst(fault, call, outcome):
    """RST_STREAM with `code` (default INTERNAL_ERROR) instead of an answer."""
    call.reset(fault.get("code", h2.errors.ErrorCodes.INTERNAL_ERROR))


async def goaway(fault, call, outcome):
    """GOAWAY with `code` (default NO_ERROR) that takes no stream; `graceful`: after the answer."""
    if fault.get("graceful"):
        await say(call, await outcome())
    connection = call.connection
    connection.h2.close_connection(fault.get("code", 0),
                                   last_stream_id=call.stream if fault.get("graceful") else 0)
    connection.flush()
    await connection.writer.drain()
    connection.writer.close()


async def close(fault, call, outcome):
    """Ends the connection, with `reset` by RST."""
    call.connection.close(bool(fault.get("reset")))


async def garbage(fault, call, outcome):
    """Bytes that are no frames."""
    call.connection.writer.write(b"\xff" * 64)
    await call.connection.writer.drain()
    call.connection.writer.close()


async def no_trailers(fault, call, outcome):
    """The answer, and no status."""
    call.start()
    await call.send_data(framed(encoded(await outcome())), True)


async def bad_status(fault, call, outcome):
    """The answer, and a status that is no number."""
    call.start()
    await call.send_data(framed(encoded(await outcome())))
    call.finish("ok")


async def compressed(fault, call, outcome):
    """The answer with the flag that says it is compressed."""
    call.start()
    await call.send_data(framed(encoded(await outcome()), 1))
    call.finish()


async def twice(fault, call, outcome):
    """Two messages."""
    call.start()
    await call.send_data(2 * framed(encoded(await outcome())))
    call.finish()


async def nothing(fault, call, outcome):
    """Status 0 and no message."""
    call.send_headers([(":status", "200"), CONTENT_TYPE, ("grpc-status", str(OK))], True)


async def noise(fault, call, outcome):
    """A message of `bytes` (default 300) random bytes."""
    await call.reply(os.urandom(int(fault.get("bytes", 300))))


def _distortion(change):
    async def distort(fault, call, outcome):
        result = await outcome()
        if isinstance(result, Answer):
            result = copy.copy(result)
            result.typed = dict(result.typed)
            result = change(fault, result, call.connection.door.party) or result
        await say(call, result)
    return distort


ACTIONS = {action.__name__: action for action in (
    delay, slow, hang, status, http, oversize, truncate, rst, goaway, close, garbage, no_trailers,
    bad_status, compressed, twice, nothing, noise)}
ACTIONS.update((name, _distortion(change)) for name, change in DISTORTIONS.items())


class Weather(Faults):
    kind = PartyFault

    def __init__(self):
        super().__init__(actions=ACTIONS)

    def _pick_for(self, stage, party, request=None):
        with self._lock:
            for fault in self._faults:
                if fault.meets(stage, party, request):
                    return fault if fault.take() else None
        return None

    async def meet_connection(self, party, connection):
        """Whether it goes on."""
        fault = self._pick_for("connect", party)
        if fault is None:
            return True
        await fault.pause(float(fault.get("delay", 0)))
        action = fault.get("action")
        if action == "hang":
            await fault.pause(HANG_MAX)
        elif action == "reset":
            connection.close(True)
        return action == "delay"

    async def meet(self, party, call, outcome):
        request = Request(call.headers.get(":method"), call.path, call.headers, b"", None)
        fault = self._pick_for("request", party, request)
        if fault is None:
            await say(call, await outcome())
            return
        await fault.pause(float(fault.get("delay", 0)))
        await ACTIONS[fault.get("action")](fault, call, outcome)
