/* fake_cuda_dnn.c: cuDNN. */
#include "tests/gpu/fake_cuda_parts.h"

#include <cudnn.h>
#include <stdio.h>

// NOLINTBEGIN(misc-unused-parameters,misc-misplaced-const): it stands for a library, whose functions take what they take
/* What a library says, of its own failure and of a device that it cannot reach. */
static cudnnStatus_t dnn(const char *call)
{
    cudaError_t error = fake_cuda_step(call);
    return !error ? CUDNN_STATUS_SUCCESS : fake_cuda_settings.no_support ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_EXECUTION_FAILED;
}

size_t cudnnGetVersion(void)
{
    return 91900;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_NOT_SUPPORTED ? "NOT_SUPPORTED" : "EXECUTION_FAILED";
}

void cudnnGetLastErrorString(char *text, size_t size)
{
    snprintf(text, size, "made to fail");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    cudnnStatus_t status = dnn("cudnnCreate");
    if (!status)
        *handle = fake_cuda_make();
    return status;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    fake_cuda_discard(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    (void)handle;
    (void)stream;
    return dnn("cudnnSetStream");
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
    (void)type;
    cudnnStatus_t status = dnn("cudnnBackendCreateDescriptor");
    if (!status)
        *descriptor = fake_cuda_make();
    return status;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    fake_cuda_discard(descriptor);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                       int64_t count, const void *values)
{
    (void)descriptor;
    (void)name;
    (void)type;
    (void)count;
    (void)values;
    return dnn("cudnnBackendSetAttribute");
}

/* Two configurations, of engines without notes and knobs. */
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted, int64_t *count, void *values)
{
    static int64_t index;
    (void)descriptor;
    (void)type;
    (void)wanted;
    *count = name == CUDNN_ATTR_ENGINEHEUR_RESULTS ? 2 : name == CUDNN_ATTR_ENGINECFG_ENGINE ? 1 : 0;
    if (name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX || name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)
        *(int64_t *)values = index++ % 7;
    return dnn("cudnnBackendGetAttribute");
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    (void)descriptor;
    return dnn("cudnnBackendFinalize");
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    (void)handle;
    (void)plan;
    (void)pack;
    return dnn("cudnnBackendExecute");
}
// NOLINTEND(misc-unused-parameters,misc-misplaced-const)
