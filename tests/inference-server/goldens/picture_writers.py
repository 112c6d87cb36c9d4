"""Pictures as numbers and PNG files of any kind, for the makers of the goldens; Pillow writes fewer kinds than it reads."""
import struct
import zlib

import numpy


def noise(width, height, channels=3, seed=1):
    """The tests' own generator: a 32-bit linear congruential sequence, one byte (bits 24..31) per sample."""
    state = seed
    out = bytearray()
    for _ in range(width * height * channels):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return numpy.frombuffer(bytes(out), numpy.uint8).reshape(height, width, channels)


def smooth(width, height):
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [(x * 255 // max(width - 1, 1)), (y * 255 // max(height - 1, 1)), ((x * 7 + y * 13) % 256)]
    return numpy.stack(planes, axis=-1).astype(numpy.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, extra=(), interlaced=False):
    """rows(xs, ys) gives the packed bytes of each scanline of the sub-picture at those columns and rows."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x0, y0, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        xs, ys = range(x0, width, dx), range(y0, height, dy)
        if xs and ys:
            raw += b"".join(b"\0" + line for line in rows(xs, ys))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    body = b"".join(chunk(kind, data) for kind, data in extra)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", zlib.compress(raw, 9)) +
            chunk(b"IEND", b""))


def bytes_rows(array):
    return lambda xs, ys: [b"".join(array[y, x].tobytes() for x in xs) for y in ys]


def exif(orientation):
    return (b"MM\0*\0\0\0\x08\0\x02" + struct.pack(">HHIHH", 0x0100, 3, 1, 9, 0) +
            struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0")


def packed_rows(depth, values):
    def rows(xs, ys):
        out = []
        for y in ys:
            bits = "".join(f"{int(values[y, x]):0{depth}b}" for x in xs)
            bits += "0" * (-len(bits) % 8)
            out.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
        return out
    return rows
