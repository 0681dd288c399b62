"""article_dask.py LIST MODEL LABELS PREDS: the article's pipeline over the photos named in LIST, on a local Dask cluster. Called by tests/bench/article.

What the notebook does, in its order: a delayed task an image (Resize 256, CenterCrop 250, ToTensor, no Normalize), batches of 60 that are stacked, a model
made anew in every batch, softmax, an evaluation and a pickle an image; map, gather, compute. Photos come from a folder in place of S3, the weights from MODEL, a
.pth, and there is a worker a core with one thread each, the fastest form on a CPU. Two things are better than there: the model is in eval() and runs without
gradients. PREDS is the folder for the pickles. Prints JSON: `seconds` from the start of the cluster, `ready` when it was up, how many failed."""
import json
import os
import pickle
import re
import sys
import time

import dask
import toolz
import torch
from dask.distributed import Client, LocalCluster
from PIL import Image
from torchvision import models, transforms

BATCH = 60


@dask.delayed
def preprocess(path):
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(250), transforms.ToTensor()])
    with open(path, "rb") as file:
        image = transform(Image.open(file).convert("RGB"))
    truth = re.search(r"n[0-9]+[-_]([^/.]+)[/.]", path).group(1)
    return os.path.splitext(os.path.basename(path))[0], image, truth


@dask.delayed
def reformat(batch):
    names, images, truths = zip(*batch)
    return names, torch.stack(images), truths


@dask.delayed
def run_batch(batch, model_path, labels, folder):
    names, images, truths = batch
    model = models.resnet50(weights=None)
    model.load_state_dict(torch.load(model_path))
    model.eval()
    with torch.no_grad():
        answers = model(images)
    _, order = torch.sort(answers, descending=True)
    percentages = torch.nn.functional.softmax(answers, dim=1) * 100
    results = []
    for k, name in enumerate(names):
        best = int(order[k][0])
        result = {"name": name, "ground_truth": truths[k], "prediction": best, "percentage": percentages[k][best].item(),
                  "evaluation": truths[k].replace("_", " ") in labels[best]}
        with open(f"{folder}/{name}.pkl", "wb") as file:
            pickle.dump(result, file)
        results.append(result)
    return results


def main():
    paths, model_path, folder = open(sys.argv[1]).read().splitlines(), sys.argv[2], sys.argv[4]
    labels = [line.split(" ", 1)[1] for line in open(sys.argv[3]).read().splitlines()]
    start = time.monotonic()
    with LocalCluster(n_workers=len(os.sched_getaffinity(0)), threads_per_worker=1, memory_limit=0, dashboard_address=None) as cluster, Client(cluster) as client:
        ready = time.monotonic() - start
        batches = [reformat([preprocess(path) for path in part]) for part in toolz.partition_all(BATCH, paths)]
        futures = client.map(lambda batch: run_batch(batch, model_path, labels, folder), batches)
        computed = client.compute(client.gather(futures), sync=False)
        results, failed = [], 0
        for future in computed:
            try:
                results += future.result()
            except Exception as error:  # as in the article: a batch that fails is logged and skipped
                print(error, file=sys.stderr)
                failed += 1
        seconds = time.monotonic() - start
    print(json.dumps({"seconds": seconds, "ready": ready, "failed": failed, "images": len(results)}))


if __name__ == "__main__":
    main()
