/* golden.h: a job's table against PyTorch's answers for the shared photos.
 *
 * Errors: fail the test. */
#pragma once

/* job/predictions.jsonl has the 355 photos, each with the first class that PyTorch gives it in the file at `path` and its five probabilities within
 * 1e-4; and so many dogs and others are right. */
void golden_compare(const char *path, int dogs_right, int others_right);
