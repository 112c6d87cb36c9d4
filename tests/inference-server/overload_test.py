#!/usr/bin/python3
"""Five times what the server can answer: it goes on answering as much as it can, in time, and refuses the rest in words.

IC_SECONDS (5) is the length of a stretch of load, IC_UNFINISHED (200) the number of half-sent headers, and of half-sent bodies,
IC_NETWORK (resnet18) the architecture, IC_LEAST_GOODPUT (0.5) the part of the best rate that must remain, IC_LATEST (1.5) the 99th
percentile of answers over their deadline; the campaign `overload` has 60, 1,000, resnet101, 0.9 and 1. Nothing is compared with a clock: what the server can do is measured before and after each stretch, which
gets three tries, because others' work comes and goes. Where it takes most of the processors, only the campaign's bound says much.
"""
import asyncio
import contextlib
import os
import subprocess

from open_loop import Clients, CpuShare, Crowd
from serving import FOLDER, MODEL, PICTURE, WRITE_MODEL, ProgramTest, Server, main

SECONDS = float(os.environ.get("IC_SECONDS", "5"))
UNFINISHED = int(os.environ.get("IC_UNFINISHED", "200"))
NETWORK = os.environ.get("IC_NETWORK", "resnet18")
LEAST_GOODPUT = float(os.environ.get("IC_LEAST_GOODPUT", "0.5"))
LATEST = float(os.environ.get("IC_LATEST", "1.5"))
MOST_MEMORY = 1.1
DEADLINE = 30  # seconds, --request-timeout: what the queue takes on a machine that has other things to do
QUEUE = 64  # the default of --queue-depth
INPUT = 4 * 3 * 224 * 224  # bytes of a picture that waits
TRIES = 3


class Load:
    """A server, what asks it, and how much memory it took at the most since the last look."""

    def __init__(self, server):
        self.server, self.clients, self.cpu = server, Clients(server.port, PICTURE), CpuShare()
        self.most_memory, self.rate = 0, float("inf")

    async def watch_memory(self):
        while True:
            self.most_memory = max(self.most_memory, self.server.resident_bytes())
            await asyncio.sleep(0.2)

    async def best(self):
        self.rate = await self.clients.closed_loop(16, max(2, SECONDS / 4, 32 / self.rate))
        return self.rate

    async def stretch(self, clients, deadline):
        """(answers in time over what can be answered, the 99th percentile of how long they took, all answers)"""
        before = await self.best()
        # Some of the largest batches at least, on the slowest machine too.
        seconds = max(SECONDS, 6 * 8 / before)
        self.cpu.look()
        answers, began = await clients.open_loop(5 * before, seconds)
        share = self.cpu.look()
        best = (before + await self.best()) / 2
        # By then the queue is full.
        since, until = began + seconds / 4, began + seconds
        good = [answer for answer in answers if answer.status == 200]
        in_time = sum(since <= answer.ended < until and answer.took <= deadline for answer in good)
        goodput = in_time / (until - since) / best
        longest = sorted(answer.took for answer in good)[int(len(good) * 0.99)] if good else float("inf")
        print(f"{len(answers)} requests, {len(good)} answered; {goodput:.2f} of the best ({best:.1f}/s) in time, p99 {longest:.2f} s of "
              f"{deadline:.2f}; the load took {100 * share:.0f} % of one processor", flush=True)
        return goodput, longest, answers


class Overload(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.model = MODEL
        if NETWORK != "resnet18":
            cls.model = FOLDER / "overload.safetensors"
            subprocess.run([WRITE_MODEL, NETWORK, "10", "1", str(cls.model), "proven"], check=True)

    def served(self):
        server = Server("--model", str(self.model), "--precision", "float32", "--request-timeout", str(DEADLINE))
        self.addCleanup(server.__exit__)
        return server.ready()

    async def keeps_up(self, name, load, clients, deadline):
        for _ in range(TRIES):
            print(f"overload: {name}: ", end="", flush=True)
            goodput, longest, answers = await load.stretch(clients, deadline)
            refused = [answer for answer in answers if answer.status != 200]
            self.assertTrue(refused)
            self.assertEqual({answer.status for answer in refused}, {429})
            self.assertTrue(all((answer.retry_after or 0) >= 1 for answer in refused))
            if goodput >= LEAST_GOODPUT and longest < LATEST * deadline:
                return
        self.fail(f"{name}: {goodput:.2f} of what the server can answer, p99 {longest:.2f} s of {deadline:.2f}")

    async def run_all(self):
        server = self.served()
        load = Load(server)
        await load.best()
        rate = await load.best()
        await load.clients.open_loop(5 * rate, 2 * QUEUE / (4 * rate))
        memory = server.resident_bytes()
        watcher = asyncio.create_task(load.watch_memory())
        await self.keeps_up("five times the rate", load, load.clients, DEADLINE)
        tight = QUEUE / 2 / rate
        hurried = Clients(server.port, PICTURE, f"X-Request-Timeout-Ms: {int(1000 * tight)}\r\n")
        await self.keeps_up("in a hurry", load, hurried, tight)
        async with Crowd(server.port, UNFINISHED, UNFINISHED, PICTURE + bytes(10_000)) as crowd:
            await self.keeps_up(f"beside {UNFINISHED} half headers and as many half bodies", load, load.clients, DEADLINE)
            print(f"overload: {len(crowd.held)} unfinished requests are open, {crowd.ended} were ended", flush=True)
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
        full = memory + QUEUE * INPUT
        print(f"overload: at most {load.most_memory / 1e6:.0f} MB, {memory / 1e6:.0f} before, {full / 1e6:.0f} with a full queue", flush=True)
        self.assertLess(load.most_memory, MOST_MEMORY * full)
        self.assertEqual(server.get("/healthz")[0], 200)

    async def crowd(self):
        """Seven queues full of clients at once, if that is no more than half a minute's work: nobody is told to wait for over a minute."""
        server = self.served()
        clients = Clients(server.port, PICTURE)
        for _ in range(2):
            rate = await clients.closed_loop(16, 2)
        count = int(min(7 * QUEUE, max(2 * QUEUE, 30 * rate)))
        ended, began = await clients.open_loop(10 * count, 0.1, lambda due: clients.patient(due, 3))
        served = [attempt for answer, attempt in ended if answer.status == 200]
        print(f"overload: of {len(ended)} who came at once {len(served)} were served, by try 1 to 3: "
              f"{[served.count(attempt) for attempt in (1, 2, 3)]}; {max(answer.ended for answer, _ in ended) - began:.1f} s, "
              f"at the full rate {len(ended) / rate:.1f}", flush=True)
        self.assertEqual({answer.status for answer, _ in ended}, {200})

    def test_a_crowd_that_comes_back_when_it_is_told_to_is_served_within_three_tries(self):
        asyncio.run(self.crowd())

    def test_goodput_stays_and_every_refusal_says_when_to_come_back(self):
        asyncio.run(self.run_all())


if __name__ == "__main__":
    main()
