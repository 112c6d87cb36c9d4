#!/usr/bin/python3
"""Writes corpus/ and corpus.txt: several hundred small pictures of every kind that is read, and what Pillow makes of them.

A line: name, format, frames, alpha, resize, crop, sum of the crop's samples, SHA-256 of the crop (8 bit R G B). That is
exactly what `decode=exact`, `exif=ignore`, `alpha=drop` mean. Debian 12: python3-pil 9.4.0, python3-numpy. Only needed to
renew the corpus. 16-bit grey is left out: Pillow clips it (see make_goldens.py).
"""
import hashlib
import io
import pathlib
import struct

import numpy
from PIL import Image

from picture_writers import bytes_rows, chunk, exif, noise, packed_rows, png, smooth

FOLDER = pathlib.Path(__file__).resolve().parent
# One-pixel sides, odd ones, panoramas, a side that is the target of 40 already, block borders of JPEG.
SIZES = [(1, 1), (1, 17), (19, 1), (2, 3), (7, 5), (16, 16), (17, 33), (40, 40), (40, 61), (97, 40), (190, 6), (5, 170),
         (65, 63), (33, 48)]
TRANSFORMS = [(40, 36), (40, 40), (24, 21), (50, 33), (20, 32)]


def transform(image, resize, crop):
    """torchvision's ImageClassification preset up to the conversion to numbers."""
    width, height = image.size
    if width <= height:
        size = (resize, int(resize * height / width))
    else:
        size = (int(resize * width / height), resize)
    if min(width, height) != resize:
        image = image.resize(size, Image.BILINEAR)
    left, top = (max(crop - side, 0) // 2 for side in image.size)
    padded = Image.new("RGB", tuple(max(crop, side) for side in image.size))
    padded.paste(image, (left, top))
    x, y = (int(round((side - crop) / 2.0)) for side in padded.size)
    return padded.crop((x, y, x + crop, y + crop))


def picture(width, height, mode="RGB", seed=1):
    """Half noise, half gradient: both reach 0 and 255."""
    mixed = noise(width, height, 3, seed).copy()
    mixed[:, : width // 2] = smooth(width, height)[:, : width // 2]
    image = Image.fromarray(mixed)
    if mode in ("RGBA", "LA"):
        alpha = Image.fromarray(noise(width, height, 1, seed + 7)[:, :, 0])
        image = image.convert("L") if mode == "LA" else image
        image.putalpha(alpha)
        return image
    if mode == "P":
        return image.quantize(31)
    return image.convert(mode)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_kinds(width, height, seed):
    color = picture(width, height, seed=seed)
    yield "444", saved(color, "JPEG", quality=92, subsampling=0)
    yield "422", saved(color, "JPEG", quality=71, subsampling=1)
    yield "420", saved(color, "JPEG", quality=80, subsampling=2)
    yield "progressive", saved(color, "JPEG", quality=60, progressive=True, subsampling=seed % 3)
    yield "grey", saved(color.convert("L"), "JPEG", quality=85, progressive=bool(seed % 2))
    yield "extreme", saved(color, "JPEG", quality=1 if seed % 2 else 100, optimize=True)
    yield "turned", saved(color, "JPEG", quality=75, exif=b"Exif\0\0" + exif(2 + seed % 7))
    cmyk = saved(Image.fromarray(noise(width, height, 4, seed=seed), "CMYK"), "JPEG", quality=88, progressive=bool(seed % 2))
    yield "cmyk", cmyk
    at = cmyk.index(b"Adobe") + 11
    yield "ycck", cmyk[:at] + b"\x02" + cmyk[at + 1:]
    # The same scan read as R G B: an Adobe marker in the place of JFIF's.
    plain = saved(color, "JPEG", quality=90, subsampling=0)
    yield "rgb", plain[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0\0" + plain[20:]


def png_kinds(width, height, seed):
    def made(depth, kind, rows, extra=()):
        return png(width, height, depth, kind, rows, extra, interlaced=bool(seed % 2))

    color = numpy.asarray(picture(width, height, seed=seed))
    alpha = noise(width, height, 1, seed + 5)
    grey = color[:, :, 1:2]
    deep = (color.astype(numpy.uint16) * 257 ^ noise(width, height, 3, seed + 9)).astype(">u2")
    deep_alpha = (alpha.astype(numpy.uint16) * 255 + 3).astype(">u2")
    palette = noise(256, 1, 3, seed + 1).tobytes()
    yield "rgb", made(8, 2, bytes_rows(color))
    yield "rgba", made(8, 6, bytes_rows(numpy.dstack([color, alpha])))
    yield "grey", made(8, 0, bytes_rows(grey))
    yield "grey-alpha", made(8, 4, bytes_rows(numpy.dstack([grey, alpha])))
    yield "deep-rgb", made(16, 2, bytes_rows(deep))
    yield "deep-rgba", made(16, 6, bytes_rows(numpy.dstack([deep, deep_alpha])))
    yield "deep-grey-alpha", made(16, 4, bytes_rows(numpy.dstack([deep[:, :, :1], deep_alpha])))
    yield "key", made(8, 2, bytes_rows(color), [(b"tRNS", struct.pack(">HHH", *(int(v) for v in color[0, 0])))])
    yield "grey-key", made(8, 0, bytes_rows(grey), [(b"tRNS", struct.pack(">H", int(grey[0, 0, 0])))])
    for depth in (1, 2, 4, 8):
        index = grey[:, :, 0] % (1 << depth)
        extra = [(b"PLTE", palette[: 3 << depth])]
        yield f"palette-{depth}", made(depth, 3, packed_rows(depth, index), extra)
        yield f"palette-{depth}-clear", made(depth, 3, packed_rows(depth, index), extra + [(b"tRNS", bytes([0, 200]))])
    yield "grey-1", made(1, 0, packed_rows(1, grey[:, :, 0] & 1))
    yield "grey-4", made(4, 0, packed_rows(4, grey[:, :, 0] & 15))


def webp_kinds(width, height, seed):
    color, clear = picture(width, height, seed=seed), picture(width, height, "RGBA", seed)
    yield "lossy", saved(color, "WEBP", quality=70)
    yield "lossless", saved(color, "WEBP", lossless=True)
    yield "lossy-alpha", saved(clear, "WEBP", quality=60)
    yield "lossless-alpha", saved(clear, "WEBP", lossless=True, exact=bool(seed % 2))
    yield "turned", saved(color, "WEBP", quality=80, exif=exif(2 + seed % 7))
    others = [picture(width, height, "RGBA", seed + i) for i in (1, 2)]
    yield "animated", saved(clear, "WEBP", save_all=True, append_images=others, lossless=bool(seed % 2))
    # A first frame that does not fill its canvas: the canvas is made larger afterwards.
    animated = bytearray(saved(color, "WEBP", save_all=True, append_images=[picture(width, height, seed=seed + 3)]))
    animated[24:30] = struct.pack("<I", width + 4)[:3] + struct.pack("<I", height + 2)[:3]
    yield "small-frame", bytes(animated)


def gif_kinds(width, height, seed):
    indexed = picture(width, height, "P", seed)
    yield "plain", saved(indexed, "GIF", interlace=0)
    yield "interlaced", saved(indexed, "GIF", interlace=1)
    yield "grey", saved(picture(width, height, "L", seed), "GIF")
    clear = saved(indexed, "GIF", transparency=int(numpy.asarray(indexed)[0, 0]))
    yield "clear", clear
    animated = saved(indexed, "GIF", save_all=True, append_images=[picture(width, height, "P", seed + i) for i in (1, 2)])
    yield "animated", animated
    for name, data in (("small-frame", animated), ("small-clear-frame", clear)):
        grown = bytearray(data)
        grown[6:10] = struct.pack("<HH", width + 3, height + 5)
        at = descriptor(grown)
        grown[at + 1:at + 5] = struct.pack("<HH", 2, 1)
        yield name, bytes(grown)
    beyond = bytearray(animated)
    at = descriptor(beyond)
    beyond[at + 1:at + 5] = struct.pack("<HH", 3, 4)
    yield "beyond-screen", bytes(beyond)


def descriptor(gif):
    """Where the first frame's descriptor begins."""
    at = 13 + ((3 << ((gif[10] & 7) + 1)) if gif[10] & 128 else 0)
    while gif[at] == 0x21:
        at += 2
        while gif[at]:
            at += gif[at] + 1
        at += 1
    return at


def bmp(width, height, bits, rows, palette=b"", header=40, compression=0, masks=b"", top_down=False, colors=0):
    lines = [row + b"\0" * (-len(row) % 4) for row in rows]
    data = b"".join(lines if top_down else reversed(lines))
    if header == 12:
        second = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        second = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression, len(data),
                             2835, 2835, colors, 0)
        second += (masks + bytes(header))[: header - 40] if header > 40 else masks
    offset = 14 + len(second) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + second + palette + data


def bmp_kinds(width, height, seed):
    color = numpy.asarray(picture(width, height, seed=seed))
    reversed_color = numpy.ascontiguousarray(color[:, :, ::-1])
    alpha = noise(width, height, 1, seed + 5)
    down = bool(seed % 2)
    palette = noise(256, 1, 4, seed + 1)

    def index(bits):
        return color[:, :, 1] % (1 << bits)

    def lines(array):
        return [array[y].tobytes() for y in range(height)]

    def packed(bits):
        return packed_rows(bits, index(bits))(range(width), range(height))

    yield "rgb", saved(Image.fromarray(color), "BMP")
    yield "grey", saved(Image.fromarray(color).convert("L"), "BMP")
    yield "1-bit", saved(Image.fromarray(color).convert("1"), "BMP")
    yield "24-down", bmp(width, height, 24, lines(reversed_color), top_down=True)
    yield "24-os2", bmp(width, height, 24, lines(reversed_color), header=12)
    yield "32", bmp(width, height, 32, lines(numpy.dstack([reversed_color, alpha])), top_down=down)
    yield "32-alpha", bmp(width, height, 32, lines(numpy.dstack([reversed_color, alpha])), header=108, compression=3,
                          masks=struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    yield "32-rgba", bmp(width, height, 32, lines(numpy.dstack([color, alpha])), header=124, compression=3,
                         masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000), top_down=down)
    wide = color.astype("<u2")
    five = (wide[:, :, 0] >> 3 << 10) | (wide[:, :, 1] >> 3 << 5) | wide[:, :, 2] >> 3
    six = (wide[:, :, 0] >> 3 << 11) | (wide[:, :, 1] >> 2 << 5) | wide[:, :, 2] >> 3
    yield "16-555", bmp(width, height, 16, lines(five.astype("<u2")))
    yield "16-565", bmp(width, height, 16, lines(six.astype("<u2")), compression=3, top_down=down,
                        masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    for bits in (1, 4, 8):
        yield f"palette-{bits}", bmp(width, height, bits, packed(bits), palette[0, : 1 << bits].tobytes(), top_down=down)
    yield "palette-8-os2", bmp(width, height, 8, packed(8), palette[0, :, :3].tobytes(), header=12)
    yield "palette-short", bmp(width, height, 8, lines(index(4)), palette[0, :16].tobytes(), colors=16)


def main():
    folder = FOLDER / "corpus"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    lines, total = [], 0
    for kinds, suffix, every in ((jpeg_kinds, "jpg", 1), (png_kinds, "png", 2), (webp_kinds, "webp", 2), (gif_kinds, "gif", 2),
                                 (bmp_kinds, "bmp", 2)):
        for at, (width, height) in enumerate(SIZES):
            for number, (kind, data) in enumerate(kinds(width, height, at + 1)):
                # Every kind meets one-pixel, odd and target-sized pictures; not each meets all sizes.
                if (at + number) % every:
                    continue
                name = f"{kind}-{width}x{height}.{suffix}"
                resize, crop = TRANSFORMS[(at + number // every) % len(TRANSFORMS)]
                image = Image.open(io.BytesIO(data))
                frames = getattr(image, "n_frames", 1)
                alpha = image.mode in ("RGBA", "LA") or "transparency" in image.info
                crop_of = numpy.asarray(transform(image.convert("RGB"), resize, crop))
                (folder / name).write_bytes(data)
                total += len(data)
                lines.append(f"{name} {image.format.lower()} {frames} {int(alpha)} {resize} {crop} "
                             f"{int(crop_of.sum(dtype=numpy.int64))} {hashlib.sha256(crop_of.tobytes()).hexdigest()}")
    (FOLDER / "corpus.txt").write_text("\n".join(lines) + "\n")
    print(len(lines), "pictures,", total, "bytes")


if __name__ == "__main__":
    main()
