"""draw.py DIR: PNG and WebP files as Pillow writes them, into DIR; their names go to stdout.

Exit status 77: Pillow is not installed, or was built without WebP.
"""
import random
import sys

try:
    from PIL import Image, features
except ImportError as missing:
    print(missing)
    sys.exit(77)

if not features.check("webp_anim"):
    print("Pillow without WebP")
    sys.exit(77)


def noise(mode, size, seed):
    image = Image.new(mode, size)
    dice = random.Random(seed)
    count = size[0] * size[1] * len(image.getbands())
    coarse = Image.frombytes(mode, size, bytes(dice.randrange(256) for _ in range(count)))
    return coarse.resize((max(1, size[0] // 5), max(1, size[1] // 5))).resize(size)


def pngs():
    size = (83, 61)
    yield "l", noise("L", size, 1), {}
    yield "l-key", noise("L", size, 1), {"transparency": 100}
    yield "la", noise("LA", size, 2), {}
    yield "rgb", noise("RGB", size, 3), {}
    yield "rgb-key", noise("RGB", size, 3), {"transparency": (1, 2, 3)}
    yield "rgba", noise("RGBA", size, 4), {}
    yield "1", noise("L", size, 5).convert("1"), {}
    palette = noise("RGB", size, 6).quantize(200)
    yield "p", palette, {}
    yield "p-key", palette, {"transparency": 3}
    yield "p-alphas", palette, {"transparency": bytes(range(200))}
    yield "p-16", noise("RGB", size, 6).quantize(13), {}
    yield "p-4", noise("RGB", size, 6).quantize(4), {"bits": 2}
    yield "p-2", noise("RGB", size, 6).quantize(2), {"bits": 1}
    deep = Image.new("I", size)
    deep.putdata([(x * 37) % 65536 for x in range(size[0] * size[1])])
    yield "i16", deep, {}
    frames = [noise("RGB", size, i) for i in range(3)]
    yield "apng", frames[0], {"save_all": True, "append_images": frames[1:]}
    yield "apng-default", frames[0], {"save_all": True, "append_images": frames[1:], "default_image": True}
    frames = [noise("RGBA", size, i) for i in range(3)]
    yield "apng-alpha", frames[0], {"save_all": True, "append_images": frames[1:], "disposal": 1}


def webps():
    for size in (83, 61), (16, 16), (1, 1), (300, 200), (17, 211):
        name = "%dx%d-" % size
        yield name + "lossy", noise("RGB", size, 1), {}
        yield name + "rough", noise("RGB", size, 1), {"quality": 5}
        yield name + "alpha", noise("RGBA", size, 2), {}
        yield name + "alpha-rough", noise("RGBA", size, 2), {"alpha_quality": 20}
        yield name + "lossless", noise("RGB", size, 3), {"lossless": True}
        yield name + "lossless-alpha", noise("RGBA", size, 3), {"lossless": True}
        yield name + "lossless-exact", noise("RGBA", size, 3), {"lossless": True, "exact": True}
        yield name + "few", noise("RGB", size, 3).quantize(9).convert("RGB"), {"lossless": True}
    yield "metadata", noise("RGB", (83, 61), 4), {"icc_profile": b"x" * 99, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0", "xmp": b"y" * 77}
    for mode in "RGB", "RGBA":
        frames = [noise(mode, (83, 61), i) for i in range(3)]
        for lossless in False, True:
            yield f"animated-{mode}-{lossless}", frames[0], {"save_all": True, "append_images": frames[1:], "lossless": lossless}
    border = Image.new("RGBA", (90, 70), (0, 0, 0, 0))
    border.paste(noise("RGBA", (31, 22), 9), (20, 30))
    yield "animated-small-frame", border, {"save_all": True, "append_images": [noise("RGBA", (90, 70), 1)], "lossless": True, "minimize_size": True}


def main():
    for kind, pictures in ("png", pngs()), ("webp", webps()):
        for name, image, options in pictures:
            path = f"{sys.argv[1]}/{name}.{kind}"
            image.save(path, **options)
            print(path)


main()
