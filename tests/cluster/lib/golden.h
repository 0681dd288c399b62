/* golden.h: the table of a job over the shared photos, against PyTorch's answers.
 *
 * Threads, errors: as process.h. */
#pragma once

/* Dogs lie in folders named nNNNNNNNN-Breed_name, the others are named nNNNNNNNN_class.JPEG. */
#define GOLDEN_TRUTH "/n[0-9]+-([^/]+)/[^/]*$|/imagenet/(n[0-9]+)_"

/* "job/predictions.jsonl" has the 355 photos with PyTorch's classes and, within 1e-4, probabilities; so many dogs and others are right. */
void golden_compare(const char *path, int dogs_right, int others_right);
