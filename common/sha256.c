#include "common/sha256.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

DEFINE_FREEP(EVP_MD_CTX_free, EVP_MD_CTX)

static EVP_MD_CTX *start(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    return context;
}

static int finish(EVP_MD_CTX *context, char hex[SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context, digest, &size) != 1 || 2 * size + 1 != SHA256_HEX)
        return -ENOMEM;
    for (unsigned int i = 0; i < size; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

int sha256_memory(const void *data, size_t size, char hex[SHA256_HEX])
{
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = start();
    if (!context || EVP_DigestUpdate(context, data, size) != 1)
        return -ENOMEM;
    return finish(context, hex);
}

int sha256_file(const char *path, char hex[SHA256_HEX], struct why *why)
{
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = start();
    if (!context)
        return because(why, -ENOMEM, "%s: no memory to hash it", path);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return because(why, -errno, "%s: cannot open: %s", path, strerror(errno));
    unsigned char chunk[64 * 1024];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return because(why, -errno, "%s: cannot read: %s", path, strerror(errno));
        if (EVP_DigestUpdate(context, chunk, (size_t)n) != 1)
            return because(why, -ENOMEM, "%s: no memory to hash it", path);
    }
    return finish(context, hex);
}
