"""make IMAGES FOLDER: large photos; compare NAME: the jobs exact and fast. See fast."""
import glob
import json
import os
import sys

from PIL import Image

COUNT = 48


def photos(folder):
    return sorted(glob.glob(folder + "/*/*/*.[jJ]*") or glob.glob(folder + "/*/*.[jJ]*"))


def tile(path, width, height):
    """The middle of a photo, not resized where it is large enough."""
    image = Image.open(path).convert("RGB")
    scale = max(width / image.width, height / image.height, 1)
    if scale > 1:
        image = image.resize((round(image.width * scale + 0.5), round(image.height * scale + 0.5)), Image.BICUBIC)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def mosaic(paths, sides):
    width, height = 500, 375
    page = Image.new("RGB", (width * sides, height * sides))
    for i in range(sides * sides):
        page.paste(tile(paths[i % len(paths)], width, height), (i % sides * width, i // sides * height))
    return page


def enlarge(path, short):
    image = Image.open(path).convert("RGB")
    scale = short / min(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)


def make(images, folder):
    paths = photos(images)
    paths = paths[:: max(1, len(paths) // COUNT)][:COUNT]
    for short in (1100, 2200, 3000):
        out = f"{folder}/enlarged-{short}"
        os.makedirs(out)
        for i, path in enumerate(paths):
            enlarge(path, short).save(f"{out}/{i:03}.jpg", quality=90)
    for sides in (3, 6, 8):
        out = f"{folder}/mosaic-{375 * sides}"
        os.makedirs(out)
        for i in range(COUNT):
            mosaic(paths[i:] + paths[:i], sides).save(f"{out}/{i:03}.jpg", quality=90)


def rows(job):
    with open(job + "/predictions.jsonl") as lines:
        return [json.loads(line)["predictions"][0] for line in lines]


def decode_ms(job):
    with open(job + "/summary.json") as file:
        return next(s["cpu_ms_per_item"] for s in json.load(file)["stages"] if s["name"] == "decode")


def compare(name):
    exact, fast = rows("exact"), rows("fast")
    same = sum(a["index"] == b["index"] for a, b in zip(exact, fast))
    apart = [abs(a["probability"] - b["probability"]) for a, b in zip(exact, fast) if a["index"] == b["index"]]
    before, after = decode_ms("exact"), decode_ms("fast")
    print(f"{name}: decode {before:.1f} ms an image, fast {after:.1f}, {before / after:.2f} times; {same} of {len(exact)} answers the same, "
          f"their probabilities {100 * sum(apart) / len(apart):.2f} points apart on average, {100 * max(apart):.2f} at most", flush=True)


if __name__ == "__main__":
    make(*sys.argv[2:]) if sys.argv[1] == "make" else compare(sys.argv[2])
