"""pixels.py RESIZE CROP LIST OUT [INTERPOLATION [orient]]: what Pillow and torchvision make of each file named in LIST, one a line.

OUT gets, for each file, a byte 1 and the (CROP, CROP, 3) R G B bytes of Resize(RESIZE, INTERPOLATION) -> CenterCrop(CROP), or a byte 0 when
Pillow refuses the file; the reason goes to stdout.
Exit status 77: Pillow or torchvision is not installed.
"""
import sys
import warnings

try:
    from PIL import Image, ImageOps
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize
except ImportError as missing:
    print(missing)
    sys.exit(77)

warnings.simplefilter("ignore")


def pixels(path, resize, crop, interpolation, orient):
    with Image.open(path) as image:
        if image.format not in ("JPEG", "MPO", "PNG", "WEBP"):
            raise OSError(f"a {image.format}, which is not read yet")
        if orient:
            image = ImageOps.exif_transpose(image)
        return CenterCrop(crop)(Resize(resize, interpolation)(image.convert("RGB"))).tobytes()


def main():
    resize, crop = int(sys.argv[1]), int(sys.argv[2])
    interpolation = InterpolationMode(sys.argv[5] if len(sys.argv) > 5 else "bilinear")
    orient = len(sys.argv) > 6
    with open(sys.argv[3]) as names, open(sys.argv[4], "wb") as out:
        for path in names.read().splitlines():
            try:
                data = pixels(path, resize, crop, interpolation, orient)
                out.write(b"\1" + data)
            except Exception as error:
                out.write(b"\0")
                print(f"{path}: {type(error).__name__}: {error}")


main()
