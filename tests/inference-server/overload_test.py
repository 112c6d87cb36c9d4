#!/usr/bin/python3
"""Five times what the server can answer: it goes on answering as much as it can, in time, and refuses the rest in words.

IC_SECONDS (8) is the length of a phase, IC_UNFINISHED (200) the number of half-sent headers, and of half-sent bodies; the campaign
`overload` has 60 and 1,000.
"""
import asyncio
import os
import subprocess
import time

import overload
from serving import FOLDER, PICTURE, WRITE_MODEL, ProgramTest, Server, main

SECONDS = float(os.environ.get("IC_SECONDS", "8"))
UNFINISHED = int(os.environ.get("IC_UNFINISHED", "200"))
LEAST_GOODPUT = 0.9
DEADLINE = 10  # seconds, --request-timeout's default
# Slow enough that the load's own share of the processor says nothing: some ten pictures a second on two cores.
NETWORK = "resnet101"


class Overload(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.model = FOLDER / "slow.safetensors"
        subprocess.run([WRITE_MODEL, NETWORK, "10", "1", str(cls.model), "proven"], check=True)

    def served(self):
        server = Server("--model", str(self.model), "--precision", "float32")
        self.addCleanup(server.__exit__)
        return server.ready()

    def check(self, name, server, best, answers, began, memory):
        """The second half of the load: by then the queue is full."""
        half = began + SECONDS / 2
        good = [answer for answer in answers if answer.status == 200]
        done = sum(half <= answer.began + answer.took < began + SECONDS for answer in good)
        goodput = done / (SECONDS / 2) / best
        longest = sorted(answer.took for answer in good)[int(len(good) * 0.99)]
        grown = server.resident_bytes() / memory
        refused = len(answers) - len(good)
        print(f"overload: {name}: {len(answers)} requests, {len(good)} answered, {refused} refused; goodput {goodput:.2f} of the best "
              f"({best:.1f}/s), p99 {longest:.1f} s, memory x{grown:.2f}", flush=True)
        self.assertEqual({answer.status for answer in answers} - {200}, {429})
        self.assertTrue(all(answer.retry_after >= 1 for answer in answers if answer.status == 429))
        self.assertGreaterEqual(goodput, LEAST_GOODPUT)
        self.assertLess(longest, DEADLINE)
        self.assertLess(grown, 1.15)

    def test_goodput_stays_and_every_refusal_says_when_to_come_back(self):
        server = self.served()

        async def run():
            best = await overload.closed_loop(server.port, PICTURE, 16, SECONDS)
            memory = server.resident_bytes()
            answers, began = await overload.open_loop(server.port, PICTURE, 5 * best, SECONDS)
            self.check("five times the rate", server, best, answers, began, memory)
            async with overload.Unfinished(server.port, UNFINISHED, UNFINISHED) as unfinished:
                memory = server.resident_bytes()
                answers, began = await overload.open_loop(server.port, PICTURE, 5 * best, SECONDS)
                self.check(f"and {unfinished.opened} unfinished requests", server, best, answers, began, memory)
            self.assertEqual(server.get("/healthz")[0], 200)
        asyncio.run(run())

    def test_clients_that_come_back_when_they_are_told_to_are_served_within_three_tries(self):
        server = self.served()

        async def run():
            best = await overload.closed_loop(server.port, PICTURE, 16, SECONDS / 2)
            ended, _ = await overload.open_loop(server.port, PICTURE, 1.5 * best, 2 * SECONDS, overload.patient)
            tries = [attempt for answer, attempt in ended if answer.status == 200]
            print(f"overload: 1.5 times the rate: {len(tries)} of {len(ended)} served, by try 1 to 3: "
                  f"{[tries.count(attempt) for attempt in (1, 2, 3)]}", flush=True)
            self.assertEqual(len(tries), len(ended), [answer for answer, _ in ended if answer.status != 200][:5])
        began = time.monotonic()
        asyncio.run(run())
        self.assertLess(time.monotonic() - began, 10 * SECONDS + 60)


if __name__ == "__main__":
    main()
