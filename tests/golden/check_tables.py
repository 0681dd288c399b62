"""check_tables.py OUT NAMES: predictions.jsonl and predictions.csv hold the NUL-terminated names, in order."""
import base64
import csv
import json
import os
import sys

out, names = sys.argv[1], open(sys.argv[2], "rb").read().split(b"\0")[:-1]
lines = open(os.path.join(out, "predictions.jsonl"), "rb").read().decode("utf-8").split("\n")
assert lines.pop() == "" and len(lines) == len(names)
records = list(csv.reader(open(os.path.join(out, "predictions.csv"), newline="", encoding="utf-8")))
assert records[0] == "uri,name,truth,label,index,probability,match,error,detail".split(",")
assert len(records) == len(names) + 1

for i, (raw, line, record) in enumerate(zip(names, lines, records[1:])):
    row = json.loads(line)
    text = raw.decode("utf-8", "replace")
    assert row["uri"] == text, (row["uri"], text)
    if text.encode() != raw:
        assert list(row)[:2] == ["uri", "uri_base64"] and base64.b64decode(row["uri_base64"]) == raw
    else:
        assert "uri_base64" not in row
    stem = os.path.splitext(os.path.basename(raw))[0].decode("utf-8", "replace")
    assert row["name"] == stem, (row["name"], stem)
    prediction = row["predictions"][0]
    assert len(row["predictions"]) == 1 and prediction["index"] == i * 100 and prediction["probability"] == i / 8
    assert row["match"] is (False if i % 2 else None) and (row["truth"] is None) == (i % 2 == 0) and row["error"] is None
    answer = [prediction["label"], str(i * 100), "%.6f" % (i / 8)]
    expected = [text, stem, row["truth"] or ""] + answer + ["false" if i % 2 else "", "", ""]
    assert record == expected, (record, expected)
