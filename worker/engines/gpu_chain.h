/* gpu_chain.h: calls of cuDNN's backend API one after the other, without a branch after each [cudnn.h].
 *
 *     struct chain chain = { 0 };
 *     descriptor it = chain_create(&chain, CUDNN_BACKEND_...);  chain_set_i64(&chain, it, ...);  chain_finalize(&chain, it);
 *     if (chain.status) return cudnn_failed(chain.status, chain.call, why);
 *
 * After the first failure the others do nothing.
 *
 * Threads:   no state.
 * Ownership: descriptors are the caller's: descriptor_destroy().
 * Errors:    cudnn_failed() makes a sentence and a code of a status. */
#pragma once

#include "common/why.h"

#include <cudnn.h>

#include <stdint.h>

typedef cudnnBackendDescriptor_t descriptor;

struct chain {
    cudnnStatus_t status;
    const char *call; /* that failed */
};

/* Leaves NULL behind, and accepts it. */
void descriptor_destroy(descriptor *it);

/* "cudnnCreate: CUDNN_STATUS_NOT_INITIALIZED: ...", and the code for it. */
int cudnn_failed(cudnnStatus_t status, const char *call, struct why *why);

void chain_check(struct chain *chain, cudnnStatus_t status, const char *call);
descriptor chain_create(struct chain *chain, cudnnBackendDescriptorType_t type);
void chain_finalize(struct chain *chain, descriptor it);

void chain_set(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
               const void *values);
void chain_set_i64(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, int64_t value);
void chain_set_pair(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, int64_t value); /* twice the same */
void chain_set_type(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnDataType_t type);
void chain_set_part(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, descriptor part);
void chain_set_one(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, float value);

/* Up to `wanted` values, descriptors among them having been created; returns how many there are, 0 after a failure. */
int64_t chain_get(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t wanted,
                  void *values);
