"""The way of a second API server to etcd: a TCP proxy that can hold what etcd sends, so that the server falls behind.

One line of text per command at the control port, answered with "ok":
  watches [WORD...]  hold what comes by watches whose requests contain one of the words (all watches without words): the
                     server's watch caches stay as they are, its reads of single objects and its writes go on
  all                hold everything in both directions
  open               let go on, beginning with what was held, in its order

gRPC is HTTP/2 (RFC 9113) without TLS here. A call whose caller has not ended its side when the answer's data comes is a stream;
among what an API server asks of etcd only watches are.
"""

import asyncio
import contextlib
import struct

_PREFACE = 24  # bytes with which a client begins
_DATA, _HEADERS, _RESET, _WINDOW_UPDATE = 0, 1, 3, 8
_END_STREAM = 1


class _Mode:
    def __init__(self):
        self.watches = None  # words, while watches are held
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.connections = set()

    def holds(self, asked):
        return self.watches is not None and (not self.watches or any(word in asked for word in self.watches))


class _Connection:
    def __init__(self, mode):
        self.mode = mode
        self.asked = {}  # open calls: what the caller has sent, until it ends its side
        self.held = {}

    async def serve(self, from_client, to_client, target):
        try:
            from_server, self.to_server = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            to_client.close()
            return
        self.to_client = to_client
        self.mode.connections.add(self)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            done, rest = await asyncio.wait([asyncio.ensure_future(self.requests(from_client)), asyncio.ensure_future(self.answers(from_server))],
                                            return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
        self.mode.connections.discard(self)
        for writer in (self.to_server, self.to_client):
            writer.close()

    async def requests(self, reader):
        self.to_server.write(await reader.readexactly(_PREFACE))
        while True:
            kind, flags, stream, frame = await _frame(reader)
            await self.mode.flowing.wait()
            if kind == _HEADERS:
                self.asked[stream] = b""
            if kind == _DATA and stream in self.asked and len(self.asked[stream]) < 4096:
                self.asked[stream] += frame
            if kind == _RESET or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                self.asked.pop(stream, None)
            self.to_server.write(frame)
            await self.to_server.drain()

    async def answers(self, reader):
        while True:
            kind, flags, stream, frame = await _frame(reader)
            await self.mode.flowing.wait()
            if kind == _DATA and stream in self.asked and (stream in self.held or self.mode.holds(self.asked[stream])):
                self.held.setdefault(stream, []).append(frame)
                if len(frame) > 9:  # or what is held would use up the window of the calls that are not
                    self.to_server.write(struct.pack(">IBII", 4 << 8 | _WINDOW_UPDATE, 0, 0, len(frame) - 9))
                continue
            if kind == _RESET or flags & _END_STREAM and kind in (_DATA, _HEADERS):
                self.held.pop(stream, None)
            self.to_client.write(frame)
            await self.to_client.drain()

    def let_go(self):
        for frames in self.held.values():
            self.to_client.write(b"".join(frames))
        self.held.clear()


async def _frame(reader):
    head = await reader.readexactly(9)
    length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF
    return kind, flags, stream, head + await reader.readexactly(length)


async def _control(mode, reader, writer):
    while line := (await reader.readline()).decode().split():
        command, *words = line
        mode.watches = [word.encode() for word in words] if command == "watches" else None
        if command == "all":
            mode.flowing.clear()
        else:
            mode.flowing.set()
            if command == "open":
                for connection in mode.connections:
                    connection.let_go()
        writer.write(b"ok\n")
        await writer.drain()
    writer.close()


async def _serve(port, target, control):
    mode = _Mode()
    path = await asyncio.start_server(lambda reader, writer: _Connection(mode).serve(reader, writer, target), "127.0.0.1", port)
    await asyncio.start_server(lambda reader, writer: _control(mode, reader, writer), "127.0.0.1", control)
    await path.serve_forever()


def serve(port, target, control):
    asyncio.run(_serve(port, target, control))
