"""check_npy.py OUT KIND VALUES: OUT/KIND.npy has a row of VALUES finite numbers for each line of OUT/predictions.jsonl that has no error,
NaN for the others. For logits, their softmax has the line's predictions at its top.
Exit status 77: numpy is not installed."""
import json
import os
import sys

try:
    import numpy
except ImportError as missing:
    print(missing)
    sys.exit(77)

out, kind, values = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(os.path.join(out, "predictions.jsonl"), encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
array = numpy.load(os.path.join(out, kind + ".npy"), allow_pickle=False)
assert array.shape == (len(rows), values) and array.dtype == numpy.dtype("<f4"), (array.shape, array.dtype)
assert any(row["error"] for row in rows) and not all(row["error"] for row in rows)

for row, numbers in zip(rows, array.astype(numpy.float64)):
    if row["error"]:
        assert numpy.isnan(numbers).all()
        continue
    assert numpy.isfinite(numbers).all() and numbers.std() > 0, row["uri"]
    if kind == "features":
        assert row["predictions"] == [] and (numbers >= 0).all(), row["uri"]
        continue
    probabilities = numpy.exp(numbers - numbers.max())
    probabilities /= probabilities.sum()
    top = numpy.argsort(-probabilities, kind="stable")[:len(row["predictions"])]
    assert [p["index"] for p in row["predictions"]] == top.tolist(), row["uri"]
    assert max(abs(p["probability"] - probabilities[p["index"]]) for p in row["predictions"]) < 2e-6, row["uri"]
