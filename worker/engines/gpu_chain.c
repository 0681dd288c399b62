#include "worker/engines/gpu_chain.h"

#include <errno.h>
#include <string.h>

void descriptor_destroy(descriptor *it)
{
    if (*it)
        cudnnBackendDestroyDescriptor(*it);
    *it = NULL;
}

int cudnn_failed(cudnnStatus_t status, const char *call, struct why *why)
{
    char detail[400] = "";
    cudnnGetLastErrorString(detail, sizeof(detail));
    detail[strcspn(detail, "\n")] = '\0';
    int category = (int)status / 1000 * 1000, r = category == CUDNN_STATUS_NOT_SUPPORTED ? -ENOTSUP : -EIO;
    if (status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
        r = -ENOMEM;
    return because(why, r, "%s: %s%s%s", call, cudnnGetErrorString(status), *detail ? ": " : "", detail);
}

void chain_check(struct chain *chain, cudnnStatus_t status, const char *call)
{
    if (!chain->status && status)
        *chain = (struct chain){ status, call };
}

void chain_set(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
               const void *values)
{
    if (!chain->status)
        chain_check(chain, cudnnBackendSetAttribute(it, name, type, count, values), "cudnnBackendSetAttribute");
}

void chain_set_i64(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, int64_t value)
{
    chain_set(chain, it, name, CUDNN_TYPE_INT64, 1, &value);
}

void chain_set_pair(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, int64_t value)
{
    chain_set(chain, it, name, CUDNN_TYPE_INT64, 2, (int64_t[]){ value, value });
}

void chain_set_type(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnDataType_t type)
{
    chain_set(chain, it, name, CUDNN_TYPE_DATA_TYPE, 1, &type);
}

void chain_set_part(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, descriptor part)
{
    chain_set(chain, it, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

void chain_set_one(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, float value)
{
    chain_set(chain, it, name, CUDNN_TYPE_FLOAT, 1, &value);
}

int64_t chain_get(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t wanted,
                  void *values)
{
    int64_t count = 0;
    if (!chain->status)
        chain_check(chain, cudnnBackendGetAttribute(it, name, type, wanted, &count, values), "cudnnBackendGetAttribute");
    return chain->status ? 0 : count;
}

descriptor chain_create(struct chain *chain, cudnnBackendDescriptorType_t type)
{
    descriptor it = NULL;
    if (!chain->status)
        chain_check(chain, cudnnBackendCreateDescriptor(type, &it), "cudnnBackendCreateDescriptor");
    return it;
}

void chain_finalize(struct chain *chain, descriptor it)
{
    if (!chain->status)
        chain_check(chain, cudnnBackendFinalize(it), "cudnnBackendFinalize");
}
