"""More requests than a server can answer, clients that come back when they are told to, and connections that never finish.

An open loop: requests leave at a rate, whatever has come back. One process and one thread over kept connections, which must not take
from the server's processors what it is to be measured with: `cpu_share` says what they took. All of it goes to 127.0.0.1.
"""
import asyncio
import dataclasses
import re
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)


@dataclasses.dataclass
class Answer:
    status: int  # 0: none
    due: float  # when the request should have left, of time.monotonic()
    ended: float
    retry_after: int | None = None

    @property
    def took(self):
        return self.ended - self.due


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self):
        self.received, self.done, self.transport, self.usable = b"", None, None, True

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, request):
        self.received, self.done = b"", asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.done

    def data_received(self, data):
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end or len(body) < int(LENGTH.search(head).group(1)) or self.done is None or self.done.done():
            return
        self.usable = b"\r\nConnection: close" not in head
        self.done.set_result(head + b"\r\n")

    def connection_lost(self, _):
        self.usable = False
        if self.done is not None and not self.done.done():
            self.done.set_result(None)


class Clients:
    """Asks with one request again and again; keeps the connections that nobody uses for the next one."""

    def __init__(self, port, body, headers="", path="/v1/classify"):
        self.port, self.idle = port, []
        self.request = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def connect(self):
        return (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self.port))[1]

    async def leave(self):
        """Asks and does not wait for the answer."""
        connection = await self.connect()
        connection.ask(self.request)
        connection.transport.close()

    async def ask(self, due):
        while self.idle and not self.idle[-1].usable:
            self.idle.pop()
        try:
            connection = self.idle.pop() if self.idle else await self.connect()
            head = await connection.ask(self.request)
        except OSError:
            head = None
        if head is None:
            return Answer(0, due, time.monotonic())
        if connection.usable:
            self.idle.append(connection)
        else:
            connection.transport.close()
        retry = RETRY_AFTER.search(head)
        return Answer(int(head[9:12]), due, time.monotonic(), int(retry.group(1)) if retry else None)

    async def patient(self, due, tries):
        """Comes back when it was told to; the last answer and how many requests that were."""
        for attempt in range(1, tries + 1):
            answer = await self.ask(due)
            if answer.status != 429 or attempt == tries:
                return answer, attempt
            await asyncio.sleep(answer.retry_after)

    async def closed_loop(self, clients, seconds):
        """What the server can do: answers a second with so many clients that wait for theirs."""
        began = time.monotonic()
        end, answers = began + seconds, []

        async def client():
            while time.monotonic() < end:
                answers.append(await self.ask(time.monotonic()))
        await asyncio.gather(*(client() for _ in range(clients)))
        assert {answer.status for answer in answers} == {200}, {answer.status for answer in answers}
        return len(answers) / (time.monotonic() - began)

    async def open_loop(self, rate, seconds, ask=None):
        """One request every 1/rate seconds; all answers, and when it began."""
        ask = ask or self.ask
        began, running = time.monotonic(), []
        while (now := time.monotonic() - began) < seconds:
            running += [asyncio.create_task(ask(began + n / rate)) for n in range(len(running), int(now * rate) + 1)]
            await asyncio.sleep(max(0.001, len(running) / rate - (time.monotonic() - began)))
        return await asyncio.gather(*running), began

    def close(self):
        for connection in self.idle:
            connection.transport.close()
        self.idle = []


class Unfinished(asyncio.Protocol):
    """A request whose header, or whose body, never comes to its end; when the server has had enough, another one begins."""

    def __init__(self, crowd, start):
        self.crowd, self.start = crowd, start

    def connection_made(self, transport):
        self.crowd.held.add(transport)
        self.transport = transport
        transport.write(self.start)

    def connection_lost(self, _):
        self.crowd.held.discard(self.transport)
        self.crowd.ended += 1
        if not self.crowd.over:
            self.crowd.begin(self.start)


class Crowd:
    """Keeps so many connections open with half a header, and so many with the first bytes of a body."""

    def __init__(self, port, headers, bodies, body_start):
        self.port, self.held, self.ended, self.over, self.tasks = port, set(), 0, False, set()
        promise = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * len(body_start)}\r\n\r\n".encode()
        self.starts = [b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nX-Slow: "] * headers + [promise + body_start] * bodies

    def begin(self, start):
        task = asyncio.create_task(self.connect(start))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, start):
        await asyncio.get_running_loop().create_connection(lambda: Unfinished(self, start), "127.0.0.1", self.port)

    async def __aenter__(self):
        for start in self.starts:
            await self.connect(start)
        return self

    async def __aexit__(self, *_):
        self.over = True
        for transport in list(self.held):
            transport.abort()
        await asyncio.gather(*self.tasks)


class CpuShare:
    """The part of one processor that this process has taken since the last look."""

    def __init__(self):
        self.look()

    def look(self):
        now = (time.process_time(), time.monotonic())
        share = (now[0] - self.last[0]) / max(now[1] - self.last[1], 1e-9) if hasattr(self, "last") else 0.0
        self.last = now
        return share
