#include "common/sha256.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
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
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
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
        return because(why, -errno, "%s: cannot open: %s%s", path, strerror(errno), errno == ENOENT ? "; is its path right?" : "");
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

static bool is_date(const char digits[8])
{
    if (strspn(digits, "0123456789") < 8)
        return false;
    int number = 0;
    for (int i = 0; i < 8; i++)
        number = 10 * number + (digits[i] - '0');
    int month = number / 100 % 100, day = number % 100;
    return number >= 19000101 && number < 21000000 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

const char *sha256_in_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    if (!dot || dot - name < 10 || dot[-9] != '-')
        return NULL;
    const char *digits = dot - 8;
    return strspn(digits, "0123456789abcdef") == 8 && !is_date(digits) ? digits : NULL;
}

int sha256_check_name(const char *path, const char *hex, struct why *why)
{
    const char *digits = sha256_in_name(path);
    if (!digits || !strncmp(digits, hex, 8))
        return 0;
    return because(why, -EINVAL, "%s: its name says that its sha256 begins with %.8s, and it begins with %.8s; it is damaged or another "
                   "file: download it again, or give it another name", path, digits, hex);
}
