"""check_page.py PAGE JSON: a report in headless Chromium shows the numbers of JSON, asks for nothing, runs nothing, and is to be seen.

Exits 77 where there is no Chromium."""
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

page, said = os.path.abspath(sys.argv[1]), json.load(open(sys.argv[2], encoding="utf-8"))
source = open(page, encoding="utf-8").read()  # is UTF-8
browser = shutil.which("chromium")
if not browser:
    print("no chromium")
    sys.exit(77)


def chromium(path, *options, quiet=True):
    with tempfile.TemporaryDirectory() as home:
        log = os.path.join(home, "net.json")
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                               "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
                               "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars", "--window-size=1200,2400", "--enable-logging=stderr",
                               "--log-net-log=" + log, "--user-data-dir=" + os.path.join(home, "p"), *options, "file://" + path],
                              capture_output=True, timeout=100)
        errors = done.stderr.decode("utf-8", "replace")
        assert done.returncode == 0, errors
        console = [line for line in errors.split("\n") if ":CONSOLE" in line]
        assert not (quiet and console), console
        return done.stdout.decode("utf-8"), open(log, encoding="utf-8", errors="replace").read()


def asked_for(net):
    """What the page asked for; the browser itself also calls home, and then no page is the initiator."""
    events = re.findall(r'^\{"params":\{"initiator":"([^"]*)".*?"url":"((?:https?|wss?|ftp):[^"]*)"', net, re.M)
    return {url for initiator, url in events if initiator != "not an origin"}


class Reader(html.parser.HTMLParser):
    """Texts by the id they are in, and all elements."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.text, self.elements = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes, [i for _, i in self.stack if i]))
        if tag not in ("meta", "link", "img", "br"):
            self.stack.append((tag, attributes.get("id")))

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, name in self.stack:
            if name:
                self.text[name] = self.text.get(name, "") + data


dom, net = chromium(page, "--dump-dom")
seen = Reader(dom)
text = {name: value.replace("\xa0", " ") for name, value in seen.text.items()}
evaluation = said["evaluation"]

# Sections.
for section in ("accuracy", "confusions", "probabilities", "mistakes", "throughput", "failures", "classes", "facts"):
    assert any(a.get("id") == section for t, a, _ in seen.elements if t == "section"), section
assert {"matrix", "histogram", "reliability", "strips"} <= {a.get("id") for t, a, _ in seen.elements if t == "svg"}

# Numbers.
percent = lambda x: "%.3f %%" % (100 * x)
for name, judged, key in (("top1", "match", "top1_rate"), ("top5", "match", "top5_rate"), ("exact1", "exact", "top1_rate"), ("exact5", "exact", "top5_rate")):
    if evaluation[judged][key] is not None:
        assert text[name] == percent(evaluation[judged][key]), (name, text[name])
    else:
        assert name not in text
assert 0 < evaluation["match"]["top1"] < evaluation["match"]["of"]
assert text["examined"] == f"{said['images']['examined']:,}" and text["failed"] == f"{said['images']['failed']:,}"
assert text["calibration"] == "%.4f" % evaluation["calibration"]["error"]


def drawn(svg, attribute):
    return [int(a[attribute]) for _, a, inside in seen.elements if svg in inside and attribute in a]


kinds = evaluation["histogram"]
assert drawn("histogram", "data-n") == [n for bar in zip(kinds["right"], kinds["wrong"], kinds["not_judged"]) for n in bar if n]
bins = evaluation["calibration"]["bins"]
assert drawn("reliability", "data-images") == [n for n in bins["images"] if n]
assert drawn("reliability", "data-correct") == [c for n, c in zip(bins["images"], bins["correct"]) if n]
assert drawn("matrix", "data-n") == [n for row in evaluation["matrix"]["rows"] for n in row["counts"] + [row["other"]] if n]
for confusion in evaluation["confusions"]:
    assert confusion["truth"] in text["confused"] and confusion["label"].split(",")[0] in text["confused"], confusion
failed = [t for t, a, inside in seen.elements if "failures" in inside and a.get("class") == "num failed"]
assert len(failed) == len(said["failures"]) > 0
for failure in said["failures"]:
    assert failure["kind"] in text["failures"] and failure["advice"] in text["failures"]
preset = said["preset"]
triple = lambda values: ",".join("%g" % value for value in values)
assert f"{preset['resize']}, {preset['crop']}" in text["facts"] and f"{triple(preset['mean'])}; {triple(preset['std'])}" in text["facts"]
assert preset["interpolation"] in text["facts"] and "turned by EXIF" + ("yes" if preset["exif_orient"] else "no") in text["facts"]
pictures = [a["src"] for t, a, inside in seen.elements if t == "img" and "mistakes" in inside]
assert len(pictures) + dom.count('class="missing"') == len(evaluation["mistakes"]) and dom.count('class="missing"') == 1
assert len([1 for t, a, inside in seen.elements if t == "path" and "strips" in inside]) % 2 == 0

# Nothing foreign has become markup, nothing points outside.
titles = {a.get("title") for t, a, _ in seen.elements if t == "bdi"}
uris = [example["uri"] for examples in evaluation["failures"].values() for example in examples]
clean = lambda name: re.sub("[\x00-\x1f\x7f-\x9f]", "\ufffd", name)
assert len(uris) > 3 and all(clean(uri) in titles for uri in uris), (uris, titles)
allowed = {"html", "head", "meta", "title", "style", "link", "body", "main", "header", "section", "footer", "h1", "h2", "h3", "p", "div", "span", "b", "i", "small",
           "br", "bdi", "svg", "line", "rect", "circle", "path", "text", "figure", "figcaption", "img", "table", "tbody", "tr", "th", "td", "ul", "li",
           "dl", "dt", "dd", "details", "summary"}
assert {t for t, _, _ in seen.elements} <= allowed, {t for t, _, _ in seen.elements} - allowed
for t, a, _ in seen.elements:
    assert not any(name.startswith("on") for name in a), (t, a)
    for name in ("src", "href", "srcset", "action", "xlink:href"):
        assert name not in a or a[name].startswith("data:"), (t, a)
assert not re.search(r"url\(|@import|<script", dom)
assert not asked_for(net), asked_for(net)

# Escaping holds by itself, without the page's own ban on scripts.
with tempfile.TemporaryDirectory() as folder:
    bare = os.path.join(folder, "bare.html")
    stripped = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source)
    assert stripped != source
    trap = "<script>document.title='can run'</script><img src='http://example.invalid/x.png'><title>"
    open(bare, "w", encoding="utf-8").write(stripped.replace("<title>", trap, 1))
    caught, net = chromium(bare, "--dump-dom", quiet=False)
    assert "can run" in caught and asked_for(net) == {"http://example.invalid/x.png"}  # what was let in would have been noticed
    open(bare, "w", encoding="utf-8").write(stripped)
    shown, net = chromium(bare, "--dump-dom")
    assert 'id="pwned"' not in shown and len(Reader(shown).elements) == len(seen.elements) - 1 and not asked_for(net)

# To be seen, in light and in dark.
try:
    from PIL import Image, ImageStat
except ImportError:
    sys.exit(0)
for scheme, name in ((1, "light"), (0, "dark")):
    shot = page + "." + name + ".png"
    chromium(page, "--screenshot=" + shot, "--blink-settings=preferredColorScheme=%d" % scheme)
    image = Image.open(shot).convert("RGB")
    brightness = ImageStat.Stat(image.convert("L")).median[0]
    assert (brightness > 200) == (name == "light") and (brightness < 60) == (name == "dark"), (name, brightness)
    colours = image.getcolors(1 << 24)
    assert len(colours) > 500, len(colours)
    blue = sum(n for n, (r, g, b) in colours if b > 180 and b > r + 60)
    orange = sum(n for n, (r, g, b) in colours if r > 180 and r > b + 100)
    assert blue > 500 and orange > 500, (name, blue, orange)
