#!/usr/bin/python3
"""Uploads of a few kilobytes that ask for much: memory and time of the real program stay bounded. See serving.py."""
import json
import re
import struct
import threading
import time
import unittest
import zlib
from pathlib import Path

from serving import PICTURE, Server, main

MIB = 1 << 20
BUDGET = 64 * MIB  # of one picture


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data, *chunks, color=2, interlaced=0):
    """8 bits per channel; `chunks` stand before the pixels, `data` is what they are before their compression."""
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(png_chunk(*chunk) for chunk in chunks) +
            png_chunk(b"IDAT", data if isinstance(data, Packed) else zlib.compress(data, 9)) + png_chunk(b"IEND", b""))


class Packed(bytes):
    """Compressed already."""


def zeros(count):
    """So many bytes of zero, compressed to about a thousandth."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(MIB)) for _ in range(count // MIB)] + [packer.compress(bytes(count % MIB))]
    return Packed(b"".join(pieces) + packer.flush())


def interlaced_png(width, height, channels):
    size = 0
    for x, y, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        size += rows * (1 + columns * channels)
    return png(width, height, bytes(size), color=6 if channels == 4 else 2, interlaced=1)


def progressive_jpeg(width, height, components, scans=0):
    """One colour, whose components are all sampled alike; `scans` of one coefficient each follow, of a few bytes."""
    def segment(marker, payload):
        return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(payload)) + payload
    one_code = b"\x01" + bytes(15)
    blocks = -(-width // 8) * -(-height // 8)
    file = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64)
    file += segment(0xC2, struct.pack(">BHHB", 8, height, width, components) +
                    b"".join(bytes((i, 0x11, 0)) for i in range(1, components + 1)))
    file += segment(0xC4, b"\x00" + one_code + b"\0") + segment(0xC4, b"\x10" + one_code + b"\xe0")
    file += segment(0xDA, bytes((components,)) + b"".join(bytes((i, 0)) for i in range(1, components + 1)) + bytes(3))
    file += bytes(-(-blocks * components // 8))
    runs = ("0" + "1" * 14) * -(-blocks // 32767)  # each: nothing in 32,767 blocks
    runs += "1" * (-len(runs) % 8)
    bits = int(runs, 2).to_bytes(len(runs) // 8, "big").replace(b"\xff", b"\xff\0")
    for scan in range(scans):
        coefficient = 1 + scan % 63
        file += segment(0xDA, bytes((1, 1, 0, coefficient, coefficient, 0))) + bits
    return file + b"\xff\xd9"


def gif_of_frames(count):
    return (b"GIF89a\x01\0\x01\0\x80\0\0\x10\x20\x30\xff\xff\xff" + b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0" * count +
            b";")


class Bombs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--threads", "4", "--max-image-memory", str(BUDGET)).ready()  # four decoders
        cls.server.classify(PICTURE)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def bounded(self, megabytes, *files, seconds=30, query="", server=None):
        """(status, code) of each file, all sent at once; the server's memory grows by so many megabytes at most."""
        answers, server = [None] * len(files), server or self.server
        process = Path(f"/proc/{server.process.pid}")

        def memory(name):
            return int(re.search(name + r":\s+(\d+)", (process / "status").read_text()).group(1)) * 1024

        def send(i):
            answers[i] = server.classify(files[i], query)
        (process / "clear_refs").write_text("5")
        before, begin = memory("VmRSS"), time.monotonic()
        clients = [threading.Thread(target=send, args=(i,)) for i in range(len(files))]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        took, grown = time.monotonic() - begin, (memory("VmHWM") - before) / 1e6
        self.assertLess(grown, megabytes)
        self.assertLess(took, seconds)
        self.assertEqual(server.classify(PICTURE)[0], 200)
        return [(status, json.loads(body).get("code")) for status, body, _ in answers]

    def test_text_and_profiles_that_inflate_to_gigabytes_are_never_inflated(self):
        bomb = zeros(1024 * MIB)
        for kind, head in ((b"zTXt", b"k\0\0"), (b"iCCP", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")):
            with self.subTest(kind):
                self.assertEqual(self.bounded(30, png(2, 2, bytes(14), (kind, head + bomb))), [(200, None)])

    def test_pixels_that_inflate_to_more_than_the_picture_are_not_inflated_to_the_end(self):
        self.assertEqual(self.bounded(30, png(2, 2, zeros(1024 * MIB))), [(422, "corrupt_image")])

    def test_a_flood_of_frames(self):
        self.assertEqual(self.bounded(30, gif_of_frames(600_000)), [(413, "too_many_frames")])

    def test_a_flood_of_scans_over_a_large_picture(self):
        flood = progressive_jpeg(4000, 4000, 1, 100_000)
        self.assertLess(len(flood), 10 * MIB)
        # A hundred scans of a quarter of a million blocks take some seconds: on a busy machine the time limit ends them.
        self.assertIn(self.bounded(45, flood)[0], [(422, "too_many_scans"), (429, "deadline")])

    def test_what_takes_more_than_the_budget_is_refused_before_it_is_taken(self):
        refused = (413, "image_needs_memory")
        # With time: a server that has just been slow would have the second wait for the first, and refuse it for that.
        with Server("--max-image-memory", str(BUDGET), "--request-timeout", "600").ready() as patient:
            patient.classify(PICTURE)
            files = progressive_jpeg(7000, 7000, 4), progressive_jpeg(7000, 7000, 3)
            self.assertEqual(self.bounded(20, *files, server=patient), [refused] * 2)
        with Server("--max-image-memory", "20000000").ready() as small:
            for file in (interlaced_png(2300, 2300, 4), interlaced_png(2700, 2700, 3)):
                status, body, _ = small.classify(file)
                self.assertEqual((status, json.loads(body)["code"]), refused)
            self.assertEqual(small.classify(interlaced_png(2200, 2200, 4))[0], 200)

    def test_all_decoders_together_take_twice_the_budget_however_many_there_are(self):
        large = progressive_jpeg(2890, 2890, 4)
        answers = self.bounded(2 * BUDGET / 1e6 + 30, large, large, large, large, seconds=120, query="?decode=fast")
        self.assertLessEqual(set(answers), {(200, None), (429, "deadline")})
        self.assertIn((200, None), answers)

    def test_plain_pictures_of_fifty_million_pixels_take_no_more_than_their_files(self):
        picture = png(7000, 7000, zeros(7000 * (1 + 3 * 7000)))
        self.assertIn(self.bounded(40, picture, picture)[0], [(200, None), (429, "deadline")])


if __name__ == "__main__":
    main()
