/* gpu_recipe.h: a plan as a line of text, "41 3=1 14=0": the number of its engine, then its knobs.
 *
 * That is all it takes to make the configuration again for the same graph. A text of our own, and not cuDNN's JSON form of a plan: that brings its
 * graph along, which would have to be trusted to be ours.
 *
 * Threads:   those of the graph.
 * Ownership: recipe_done() empties what recipe_read() filled in, also after a failure.
 * Errors:    -EIO for what does not fit a text; -ENOTSUP for a text that is none, and cuDNN's own. */
#pragma once

#include "worker/engines/gpu_chain.h"
#include "worker/engines/gpu_conv.h"

#define RECIPE_KNOBS_MAX 32

struct recipe {
    descriptor engine, config;
    descriptor choices[RECIPE_KNOBS_MAX];
};

int recipe_write(descriptor config, descriptor engine, char *text, size_t size);

/* Into zeroed memory. The descriptors are finalised; a plan may take the configuration and leave NULL behind. */
int recipe_read(const struct conv_graph *graph, const char *text, struct recipe *recipe, struct why *why);
void recipe_done(struct recipe *recipe);
