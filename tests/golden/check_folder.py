"""check_folder.py FOLDER OUT: OUT/predictions.jsonl and OUT/predictions.csv have one row for each file below FOLDER, in bytewise order
of the paths, and say the same. Read with Python's own json and csv."""
import base64
import csv
import json
import os
import stat
import sys

folder, out = os.fsencode(os.path.abspath(sys.argv[1])), sys.argv[2]


def is_listed(path):
    return os.path.islink(path) or stat.S_ISREG(os.lstat(path).st_mode)


found = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
found = [path for path in found if is_listed(path)]
with open(os.path.join(out, "predictions.jsonl"), encoding="utf-8", newline="\n") as file:
    rows = [json.loads(line) for line in file.read().split("\n")[:-1]]
with open(os.path.join(out, "predictions.csv"), encoding="utf-8", newline="") as file:
    records = list(csv.DictReader(file))
assert len(rows) == len(records) == len(found) > 0, (len(rows), len(records), len(found))

for path, row, record in zip(found, rows, records):
    uri = base64.b64decode(row["uri_base64"]) if "uri_base64" in row else row["uri"].encode()
    assert uri == path, (uri, path)
    assert record["uri"] == row["uri"] == path.decode("utf-8", "replace"), record
    assert record["name"] == row["name"], (record, row)
    if row["error"]:
        assert row["predictions"] == [] and (record["error"], record["detail"]) == (row["error"]["kind"], row["error"]["detail"])
        assert record["label"] == record["index"] == record["probability"] == "", record
    else:
        first = row["predictions"][0]
        assert record["error"] == record["detail"] == "", record
        assert (record["label"], record["index"], record["probability"]) == (first["label"], str(first["index"]), "%.6f" % first["probability"])
        assert len(row["predictions"]) == 5
print(len(rows), "rows")
