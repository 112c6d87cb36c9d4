#!/usr/bin/python3
"""Writes the picture and preprocessing goldens of this folder with Pillow and torchvision.

Debian 12: python3-pil 9.4.0, python3-torchvision 0.14.1, python3-numpy. Only needed to renew the goldens; the tests
read pictures/*, pictures.txt, resample.txt and transform.txt.
"""
import hashlib
import io
import pathlib
import struct

import numpy
import torchvision
from PIL import Image, ImageOps

from picture_writers import bytes_rows, exif, noise, packed_rows, png, smooth

FOLDER = pathlib.Path(__file__).resolve().parent
PICTURES = FOLDER / "pictures"


def digest(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


class Goldens:
    def __init__(self):
        self.lines = []

    def add(self, name, data, expected, orientation_applied=False, alpha=False):
        (PICTURES / name).write_bytes(data)
        array = numpy.asarray(expected.convert("RGB"))
        self.lines.append(f"{name} {array.shape[1]} {array.shape[0]} {int(orientation_applied)} {int(alpha)} "
                          f"{digest(array)}")

    def jpeg(self, name, image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        data = buffer.getvalue()
        opened = Image.open(io.BytesIO(data))
        upright = ImageOps.exif_transpose(opened)
        self.add(name, data, upright, orientation_applied=opened.getexif().get(0x0112, 1) != 1)
        return data


def on_white(image):
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)


def jpegs(goldens):
    color = Image.fromarray(smooth(23, 17))
    goldens.jpeg("rgb-420.jpg", color, quality=80)
    goldens.jpeg("rgb-422.jpg", color, quality=80, subsampling=1)
    goldens.jpeg("rgb-444.jpg", color, quality=92, subsampling=0)
    goldens.jpeg("progressive.jpg", color, quality=75, progressive=True)
    goldens.jpeg("grey.jpg", color.convert("L"), quality=80)
    goldens.jpeg("one-pixel.jpg", Image.fromarray(noise(1, 1)), quality=80)
    cmyk = Image.fromarray(noise(19, 9, 4, seed=5), "CMYK")
    data = goldens.jpeg("cmyk.jpg", cmyk, quality=90)
    # The same scan read as YCCK: the Adobe marker's transform byte says 2 instead of 0.
    at = data.index(b"Adobe") + 11
    ycck = data[:at] + b"\x02" + data[at + 1:]
    goldens.add("ycck.jpg", ycck, Image.open(io.BytesIO(ycck)))
    for orientation in range(1, 9):
        goldens.jpeg(f"exif-{orientation}.jpg", Image.fromarray(smooth(12, 7)), quality=90,
                     exif=b"Exif\0\0" + exif(orientation))


def pngs(goldens):
    color = smooth(13, 11)
    rgba = numpy.dstack([color, noise(13, 11, 1, seed=9)])
    grey = color[:, :, 2:3]
    high = numpy.stack([color.astype(">u2") * 251 + 7], axis=0)[0].astype(">u2")
    palette = noise(16, 1, 3, seed=3).tobytes()
    index = (grey[:, :, 0] % 16).astype(numpy.uint8)

    def simple(name, depth, kind, rows, alpha=False, extra=(), interlaced=False, expected=None):
        data = png(13, 11, depth, kind, rows, extra, interlaced)
        opened = Image.open(io.BytesIO(data))
        if expected is None:
            expected = on_white(opened) if alpha else opened
        goldens.add(name, data, expected, alpha=alpha)

    simple("rgb.png", 8, 2, bytes_rows(color))
    simple("rgb-interlaced.png", 8, 2, bytes_rows(color), interlaced=True)
    simple("rgba.png", 8, 6, bytes_rows(rgba), alpha=True)
    simple("rgba-interlaced.png", 8, 6, bytes_rows(rgba), alpha=True, interlaced=True)
    simple("grey.png", 8, 0, bytes_rows(grey))
    simple("grey-alpha.png", 8, 4, bytes_rows(rgba[:, :, 2:4]), alpha=True)
    simple("grey-1-bit.png", 1, 0, packed_rows(1, index & 1))
    simple("grey-2-bit.png", 2, 0, packed_rows(2, index & 3),
           expected=Image.fromarray(((index & 3) * 85).astype(numpy.uint8), "L"))
    simple("palette-4-bit.png", 4, 3, packed_rows(4, index), extra=[(b"PLTE", palette)])
    simple("palette-transparent.png", 4, 3, packed_rows(4, index), alpha=True,
           extra=[(b"PLTE", palette), (b"tRNS", bytes(range(0, 256, 32)))])
    simple("rgb-colour-key.png", 8, 2, bytes_rows(color), alpha=True,
           extra=[(b"tRNS", struct.pack(">HHH", *[int(v) for v in color[3, 4]]))])
    # Pillow clips 16-bit grey to nearly white; ours is the high byte, as it does for 16-bit colour.
    simple("grey-16-bit.png", 16, 0, bytes_rows(high[:, :, 2:3]),
           expected=Image.fromarray((high[:, :, 2] >> 8).astype(numpy.uint8), "L"))
    simple("rgb-16-bit.png", 16, 2, bytes_rows(high))
    for orientation in (3, 6):
        data = png(13, 11, 8, 2, bytes_rows(color), [(b"eXIf", exif(orientation))])
        goldens.add(f"exif-{orientation}.png", data, ImageOps.exif_transpose(Image.open(io.BytesIO(data))),
                    orientation_applied=True)


def resamples():
    sizes = [(37, 23, 37, 23), (37, 23, 16, 9), (37, 23, 64, 51), (1, 1, 5, 3), (200, 3, 7, 3), (3, 200, 3, 7),
             (101, 67, 100, 66), (300, 200, 33, 22), (64, 64, 63, 65), (2, 2, 1, 1), (255, 1, 256, 1)]
    for width, height, to_width, to_height in sizes:
        image = Image.fromarray(noise(width, height, seed=width * 1000 + height))
        resized = image.resize((to_width, to_height), Image.BILINEAR)
        yield f"{width} {height} {to_width} {to_height} {digest(numpy.asarray(resized))}"


def transforms():
    """(width, height, resize, crop): half-even offsets at 341 and 343, panoramas, one-pixel sides, padding."""
    cases = [(500, 375, 232, 224), (500, 375, 256, 224), (341, 256, 256, 224), (343, 256, 256, 224),
             (256, 341, 256, 224), (232, 232, 232, 224), (640, 60, 232, 224), (40, 300, 256, 224), (1, 9, 16, 8),
             (50, 41, 20, 33), (41, 50, 21, 32), (64, 48, 32, 32)]
    for width, height, resize, crop in cases:
        preset = torchvision.transforms._presets.ImageClassification(crop_size=crop, resize_size=resize)
        tensor = preset(Image.fromarray(noise(width, height, seed=width * 1000 + height)))
        yield f"{width} {height} {resize} {crop} {digest(tensor.numpy())}"


def main():
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.iterdir():
        old.unlink()
    goldens = Goldens()
    jpegs(goldens)
    pngs(goldens)
    (FOLDER / "pictures.txt").write_text("\n".join(goldens.lines) + "\n")
    (FOLDER / "resample.txt").write_text("\n".join(resamples()) + "\n")
    (FOLDER / "transform.txt").write_text("\n".join(transforms()) + "\n")


if __name__ == "__main__":
    main()
