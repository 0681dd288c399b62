"""check_evaluation.py LABELS ROWS EVALUATION: every number of EVALUATION, computed again with NumPy from ROWS.

LABELS has a line a class: id, tab, label. ROWS has a JSON object a line: uri, truth, error, predictions [[index, probability], ...]."""
import collections
import json
import sys

import numpy as np

labels = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
rows = [json.loads(line) for line in open(sys.argv[2])]
said = json.load(open(sys.argv[3]))
ids = [l[0] for l in labels]
names = [l[1] for l in labels]
spaced = lambda s: s.replace("_", " ")


def matches(truth, i):
    if len(truth) == 9 and truth[0] == "n" and truth[1:].isdigit():
        return ids[i] == truth
    return spaced(truth) in spaced(names[i])


def is_class(truth, i):
    synonyms = lambda n: {spaced(n)} | {spaced(s.strip()) for s in n.split(",")}
    if len(truth) == 9 and truth[0] == "n" and truth[1:].isdigit():
        return ids[i] == truth
    if any(spaced(truth) in synonyms(n) for n in names):
        return spaced(truth) in synonyms(names[i])
    return int(truth) == i if truth.isdigit() and int(truth) < len(names) else None


def stands_for(truth):
    if truth in ids:
        return names[ids.index(truth)]
    return names[int(truth)] if truth.isdigit() and truth not in names and int(truth) < len(names) else None


def near(a, b):
    assert (a is None and np.isnan(b)) or abs(a - b) < 1e-8, (a, b)


def judged(judge):
    of = top1 = top5 = 0
    for row in rows:
        if row["truth"] is None or judge(row["truth"], 0) is None:
            continue
        right = [judge(row["truth"], i) for i, _ in row["predictions"][:5]] if not row["error"] else []
        of, top1, top5 = of + 1, top1 + (right[:1] == [True]), top5 + any(right)
    return {"of": of, "top1": top1, "top1_rate": None, "top5": top5, "top5_rate": None}


for key, judge in (("match", matches), ("exact", is_class)):
    expected, got = judged(judge), said[key]
    near(got["top1_rate"], expected["top1"] / expected["of"])
    near(got["top5_rate"], expected["top5"] / expected["of"])
    assert expected["of"] > 100 and 0 < expected["top1"] < expected["top5"] < expected["of"]
    assert {k: got[k] for k in ("of", "top1", "top5")} == {k: expected[k] for k in ("of", "top1", "top5")}, (key, got, expected)
assert said["judged"] == said["match"]["of"]
assert said["unanswered"] == sum(r["truth"] is not None and r["error"] is not None for r in rows) > 0

# Calibration: Guo et al. 2017, equation 3.
answered = [r for r in rows if not r["error"]]
known = [r for r in answered if r["truth"] is not None]
p = np.array([r["predictions"][0][1] for r in known])
right = np.array([matches(r["truth"], r["predictions"][0][0]) for r in known])
edges = np.arange(1, 16) / 15
which = np.searchsorted(edges, p, side="left").clip(0, 14)
error = 0
for m in range(15):
    inside = which == m
    bins = said["calibration"]["bins"]
    assert bins["images"][m] == inside.sum() and bins["correct"][m] == right[inside].sum(), m
    if inside.any():
        near(bins["mean_probability"][m], p[inside].mean())
        error += inside.sum() / len(p) * abs(right[inside].mean() - p[inside].mean())
    else:
        assert bins["mean_probability"][m] is None
near(said["calibration"]["error"], error)
near(said["calibration"]["accuracy"], right.mean())
near(said["calibration"]["mean_probability"], p.mean())
assert 0.01 < error < 0.9 and said["calibration"]["images"] == len(p)

# Histogram: numpy.histogram has half-open bins and a closed last one.
kind = np.array([2 if r["truth"] is None else 0 if matches(r["truth"], r["predictions"][0][0]) else 1 for r in answered])
top = np.array([r["predictions"][0][1] for r in answered])
for i, name in enumerate(("right", "wrong", "not_judged")):
    assert said["histogram"][name] == np.bincount((20 * top[kind == i]).astype(int).clip(0, 19), minlength=20).tolist(), name

# Confusions and classes.
pairs = collections.Counter((r["truth"], r["predictions"][0][0]) for r in known)
wrong = {k: n for k, n in pairs.items() if not matches(*k)}
order = sorted(wrong, key=lambda k: (-wrong[k], k[0].encode(), k[1]))
expected = [{"truth": t, "truth_label": stands_for(t), "label": names[i], "index": i, "count": wrong[t, i]} for t, i in order[:10]]
assert said["confusions"] == expected, (said["confusions"], expected)
truths = sorted({r["truth"] for r in rows if r["truth"] is not None}, key=str.encode)
assert [c["truth"] for c in said["classes"]] == truths
for c in said["classes"]:
    assert c["truth_label"] == stands_for(c["truth"])
    mine = [r for r in rows if r["truth"] == c["truth"]]
    good = [r for r in mine if not r["error"]]
    assert c["images"] == len(mine) and c["unanswered"] == len(mine) - len(good)
    assert c["correct"] == sum(matches(c["truth"], r["predictions"][0][0]) for r in good)
    assert c["top5"] == sum(any(matches(c["truth"], i) for i, _ in r["predictions"][:5]) for r in good)
    near(c["rate"], c["correct"] / c["images"])
    exact = None if is_class(c["truth"], 0) is None else sum(is_class(c["truth"], r["predictions"][0][0]) for r in good)
    assert c["exact"] == exact, (c, exact)
    worst = [k for k in order if k[0] == c["truth"]][:1]
    assert c["most_frequent_wrong"] == (None if not worst else {"index": worst[0][1], "label": names[worst[0][1]], "count": wrong[worst[0]]})

# The most confident mistakes, the earlier in the list first among equals.
mistakes = [r for r in known if not matches(r["truth"], r["predictions"][0][0])]
mistakes.sort(key=lambda r: -r["predictions"][0][1])
assert [m["uri"] for m in said["mistakes"]] == [r["uri"] for r in mistakes[:24]]
for m, r in zip(said["mistakes"], mistakes):
    assert m["truth_label"] == stands_for(m["truth"])
    assert (m["truth"], m["index"]) == (r["truth"], r["predictions"][0][0])
    near(m["probability"], r["predictions"][0][1])

# Failures: the first five of each kind.
failed = collections.defaultdict(list)
for r in rows:
    if r["error"]:
        failed[r["error"]].append({"uri": r["uri"], "detail": r["detail"]})
assert said["failures"] == {k: v[:5] for k, v in failed.items()}

# The matrix: rows by wrong answers, every answer in a cell or in `other`.
most = sorted(truths, key=lambda t: -sum(n for k, n in wrong.items() if k[0] == t))
columns = [c["index"] for c in said["matrix"]["columns"]]
matrix = said["matrix"]["rows"]
errors = lambda t: sum(n for k, n in wrong.items() if k[0] == t)
assert [errors(r["truth"]) for r in matrix] == [errors(t) for t in most if errors(t)][:14]
for r in matrix:
    assert r["counts"] == [pairs[r["truth"], i] for i in columns]
    assert r["right"] == [matches(r["truth"], i) for i in columns]
    assert sum(r["counts"]) + r["other"] == sum(n for k, n in pairs.items() if k[0] == r["truth"])
