#!/usr/bin/python3
"""Laps of everything that clients do to a server, with a reload in each: afterwards it has as many threads and descriptors and as much
memory as before. IC_LAPS (6) of IC_SECONDS (1.5) of load; the campaign `soak` has twenty minutes of them."""
import asyncio
import os
import signal
import statistics

from open_loop import Clients, Crowd
from serving import PICTURE, ProgramTest, Server, main, wait_for

LAPS = max(4, int(os.environ.get("IC_LAPS", "6")))
SECONDS = float(os.environ.get("IC_SECONDS", "1.5"))
MOST_GROWTH = 1.1
FIRST = 2  # laps after which every buffer has been touched


class Soak(ProgramTest):
    def state(self, server):
        """(descriptors, threads) of the process."""
        return tuple(len(os.listdir(f"/proc/{server.process.pid}/{kind}")) for kind in ("fd", "task"))

    async def lap(self, server, number):
        clients = Clients(server.port, PICTURE)
        # The reload is under way while they ask: none of them fails.
        server.process.send_signal(signal.SIGHUP)
        await clients.closed_loop(4, SECONDS)
        answers, _ = await clients.open_loop(200 / SECONDS, SECONDS)
        self.assertLessEqual({answer.status for answer in answers}, {200, 429})
        async with Crowd(server.port, 20, 20, PICTURE):
            requests = [(PICTURE[:-300], 422), (b"no picture", 415), (b"", 400), (bytes(11 << 20), 413)]
            for body, status in requests:
                bad = Clients(server.port, body)
                self.assertEqual((await bad.ask(0)).status, status)
                bad.close()
            for _ in range(20):
                await clients.leave()
        clients.close()
        wait_for("the reload", lambda: server.log().count('"reloaded"') >= number)
        self.assertEqual(server.get("/metrics")[0], 200)
        # Those who left may have filled the queue.
        wait_for("an answer", lambda: server.classify(PICTURE)[0] == 200)

    def test_laps_of_load_errors_and_reloads_leave_nothing_behind(self):
        with Server("--request-timeout", "60") as server:
            server.ready()
            memory, least = [], None
            for number in range(1, LAPS + 1):
                asyncio.run(self.lap(server, number))
                if number > FIRST:
                    least = least or self.state(server)
                    # Closed connections take a moment to be noticed; the former model's thread too.
                    wait_for(f"at most {least} descriptors and threads",
                             lambda: all(now <= before for now, before in zip(self.state(server), least)))
                    least = tuple(map(min, least, self.state(server)))
                memory.append(server.resident_bytes())
                if number % 10 == 0 or number == LAPS:
                    print(f"soak: lap {number}: {memory[-1] / 1e6:.0f} MB, {self.state(server)} descriptors and threads", flush=True)
            part = (LAPS - FIRST) // 2
            grown = statistics.median(memory[-part:]) / statistics.median(memory[FIRST:FIRST + part])
            print(f"soak: {LAPS} laps, memory x{grown:.3f} from the first half to the second", flush=True)
            self.assertLess(grown, MOST_GROWTH)


if __name__ == "__main__":
    main()
