"""A proxy in the way of a client: HTTP CONNECT (RFC 9110), the same under TLS, or SOCKS 5 (RFC 1928, passwords RFC 1929)."""

import asyncio
import base64
import contextlib
import threading


class Proxy:
    """Listens on a loopback port of its own and tunnels to loopback ports, whatever host is asked for.

    kind: "connect" or "socks5". user: (name, password) that clients have to give. tls: the context of a server, or None.
    asked: (host, port) of every tunnel so far. refused: how many clients gave no or another user.
    """

    def __init__(self, kind, user=None, tls=None):
        self.serve = {"connect": self._connect, "socks5": self._socks5}[kind]
        self.user = user
        self.asked, self.refused = [], 0
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def _run(self):
        self.loop.run_forever()
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _end(self):
        self.server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the connections are closed in the next round

    async def _accept(self, reader, writer):
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self.serve(reader, writer)
        finally:
            writer.close()

    async def _connect(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *headers = head.split("\r\n")
        method, target, _ = request.split(" ")
        if self.user:
            wanted = "basic " + base64.b64encode(":".join(self.user).encode()).decode()
            given = [value for name, _, value in (line.partition(": ") for line in headers) if name.lower() == "proxy-authorization"]
            if [value.replace("Basic ", "basic ") for value in given] != [wanted]:
                self.refused += 1
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
                return await writer.drain()
        if method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return await writer.drain()
        host, _, port = target.rpartition(":")
        await self._tunnel(host, int(port), reader, writer, b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def _socks5(self, reader, writer):
        _, count = await reader.readexactly(2)
        wanted = 2 if self.user else 0
        if wanted not in await reader.readexactly(count):
            self.refused += 1
            writer.write(b"\x05\xff")
            return await writer.drain()
        writer.write(bytes((5, wanted)))
        if self.user:
            await reader.readexactly(1)
            given = tuple([(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)])
            self.refused += given != self.user
            writer.write(b"\x01\x00" if given == self.user else b"\x01\x01")
            if given != self.user:
                return await writer.drain()
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            address = await reader.readexactly(4 if kind == 1 else 16)
            host = ".".join(map(str, address)) if kind == 1 else address.hex(":", 2)
        port = int.from_bytes(await reader.readexactly(2), "big")
        await self._tunnel(host, port, reader, writer, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    async def _tunnel(self, host, port, reader, writer, answer):
        self.asked.append((host, port))
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        writer.write(answer)
        try:
            await asyncio.wait([asyncio.ensure_future(_pump(reader, to_server)), asyncio.ensure_future(_pump(from_server, writer))],
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_server.close()


async def _pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
