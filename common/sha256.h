/* sha256.h: SHA-256 of memory and of files, as 64 lower-case hex digits.
 *
 * Threads:   no state; call from anywhere.
 * Ownership: `hex` is the caller's.
 * Errors:    negative errno of the file system; -ENOMEM when OpenSSL has no memory. */
#pragma once

#include "common/why.h"

#include <stddef.h>

#define SHA256_HEX 65 /* bytes of the text, with its NUL */

int sha256_memory(const void *data, size_t size, char hex[SHA256_HEX]);
int sha256_file(const char *path, char hex[SHA256_HEX], struct why *why);

/* Files of model collections carry the first 8 digits of their hash in their names: resnet50-0676ba61.pth (PyTorch's hub). Where they are in
 * `path`, or NULL. Digits that read as a date (20260131) are taken for one. */
const char *sha256_in_name(const char *path);

/* -EINVAL when the name of the file at `path` has such digits and `hex`, its hash, begins otherwise. */
int sha256_check_name(const char *path, const char *hex, struct why *why);
