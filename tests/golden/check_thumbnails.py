"""check_thumbnails.py: NAME.small.jpg here is NAME.jpg, NAME.png or NAME.webp, at most 160 a side, with nearly the same colours."""
import glob

from PIL import Image, ImageStat

small = sorted(glob.glob("*.small.jpg"))
assert len(small) == 14, small
for path in small:
    source, = (name for name in glob.glob(path.replace("small.jpg", "*")) if name != path)
    a, b = Image.open(source).convert("RGB"), Image.open(path)
    scale = min(1, 160 / max(a.size))
    assert b.mode == "RGB" and all(abs(y - max(1, x * scale)) <= 1 for x, y in zip(a.size, b.size)), (path, a.size, b.size)
    blocks = (4, 4) if min(b.size) > 16 else (1, 1)
    left, right = (list(i.resize(blocks, Image.BOX).getdata()) for i in (a, b))
    worst = max(abs(x - y) for p, q in zip(left, right) for x, y in zip(p, q))
    assert worst <= 12, (path, worst, left, right)
    assert min(b.size) <= 16 or max(ImageStat.Stat(b).stddev) > 10, path
