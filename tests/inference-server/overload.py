"""More requests than a server can answer, and connections that never finish: an open loop, which does not wait for answers.

A phase has a rate and a time; every request has a connection of its own, as from many users. All of it goes to 127.0.0.1.
"""
import asyncio
import dataclasses
import time


@dataclasses.dataclass
class Answer:
    status: int  # 0: none
    began: float
    took: float
    retry_after: int | None = None


def head_of(body, path="/v1/classify"):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()


async def ask(port, body, limit=30):
    began = time.monotonic()
    writer = None
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head_of(body) + body)
            await writer.drain()
            answer = await reader.read()
        lines = answer.split(b"\r\n\r\n")[0].decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        retry = headers.get("retry-after")
        return Answer(int(lines[0].split()[1]), began, time.monotonic() - began, int(retry) if retry else None)
    except (OSError, TimeoutError, IndexError, ValueError):
        return Answer(0, began, time.monotonic() - began)
    finally:
        if writer:
            writer.close()


async def closed_loop(port, body, clients, seconds):
    """What the server can do: requests a second with so many clients that wait for their answers."""
    end = time.monotonic() + seconds
    answers = []

    async def client():
        while time.monotonic() < end:
            answers.append(await ask(port, body))
    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    assert all(answer.status == 200 for answer in answers), {answer.status for answer in answers}
    return len(answers) / (time.monotonic() - began)


async def open_loop(port, body, rate, seconds, request=ask):
    """One request each 1/rate seconds, whatever comes back."""
    running, began = [], time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        due = int(now * rate) + 1
        running += [asyncio.create_task(request(port, body)) for _ in range(due - len(running))]
        await asyncio.sleep(max(0, due / rate - (time.monotonic() - began)))
    return await asyncio.gather(*running), began


async def patient(port, body, tries=3):
    """A client that comes back when it was told to; its last answer and how many requests that were."""
    for attempt in range(1, tries + 1):
        answer = await ask(port, body)
        if answer.status != 429:
            break
        if attempt < tries:
            await asyncio.sleep(answer.retry_after)
    return answer, attempt


class Unfinished:
    """Keeps so many connections open whose header, or whose body, never comes to its end; those that are closed are opened anew."""

    def __init__(self, port, headers, bodies):
        self.port = port
        self.starts = [b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nX-Slow: "] * headers
        self.starts += [b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n\xff\xd8\xff" + b"x" * 1000] * bodies
        self.tasks, self.opened = [], 0

    async def hold(self, start):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.5)
                continue
            self.opened += 1
            try:
                writer.write(start)
                while await asyncio.wait_for(reader.read(4096), 60):
                    pass
            except (OSError, TimeoutError):
                pass
            finally:
                writer.close()

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(self.hold(start)) for start in self.starts]
        while self.opened < len(self.starts):
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
