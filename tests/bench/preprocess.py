"""preprocess.py LIST ROUNDS: CPU seconds of each round of Pillow + torchvision over the files named in LIST, read before."""
import io
import sys
import time

import numpy
from PIL import Image
from torchvision.transforms import CenterCrop, Resize


def main():
    files = [open(path, "rb").read() for path in open(sys.argv[1]).read().splitlines()]
    resize, crop = Resize(256), CenterCrop(224)
    for _ in range(int(sys.argv[2])):
        start = time.process_time()
        for data in files:
            numpy.asarray(crop(resize(Image.open(io.BytesIO(data)).convert("RGB"))))
        print(f"{time.process_time() - start:.6f}", flush=True)


main()
