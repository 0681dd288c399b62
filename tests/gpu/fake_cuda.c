#include "tests/gpu/fake_cuda_parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
struct fake_cuda fake_cuda_settings;
static int calls, counted, left;
static const char *failed;
static cudaError_t stuck;
static _Thread_local cudaError_t last; /* of this thread's calls, as with the real one */

void fake_cuda_set(const struct fake_cuda *wanted)
{
    fake_cuda_settings = *wanted;
    calls = counted = 0;
    failed = NULL;
    last = stuck = cudaSuccess;
}

int fake_cuda_counted(void)
{
    return counted;
}

const char *fake_cuda_failed(void)
{
    return failed;
}

int fake_cuda_left(void)
{
    return left;
}

cudaError_t fake_cuda_step(const char *call)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = stuck;
    counted += fake_cuda_settings.counted && !strcmp(fake_cuda_settings.counted, call);
    if (++calls == fake_cuda_settings.fail_at) {
        failed = call;
        error = fake_cuda_settings.error;
        stuck = fake_cuda_settings.sticks ? error : cudaSuccess;
    }
    last = error ? error : last;
    pthread_mutex_unlock(&lock);
    return error;
}

void fake_cuda_count(int things)
{
    __atomic_fetch_add(&left, things, __ATOMIC_SEQ_CST);
}

void *fake_cuda_make(void)
{
    fake_cuda_count(1);
    return calloc(1, 64);
}

void fake_cuda_discard(const void *it)
{
    if (it)
        fake_cuda_count(-1);
    free((void *)it);
}

cudaError_t fake_cuda_ready(const char *call)
{
    cudaError_t error = fake_cuda_step(call);
    pthread_mutex_lock(&lock);
    bool hangs = fake_cuda_settings.hang_at && calls >= fake_cuda_settings.hang_at;
    pthread_mutex_unlock(&lock);
    return error ? error : hangs ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last;
    pthread_mutex_lock(&lock);
    last = stuck;
    pthread_mutex_unlock(&lock);
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    return last;
}
