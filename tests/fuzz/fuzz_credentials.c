/* fuzz_credentials.c: any bytes as the JSON object of a process or a service: credentials with both keys, or a sentence without the answer in it. */
#include "common/s3/provider.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct credentials *credentials = NULL;
    struct why why = { "" };
    int r = credentials_from_json((const char *)data, size, "Token", "the source", &credentials, &why);
    assert((r == 1) == (credentials != NULL));
    assert(r == 1 || (r < 0 && !strncmp(why.text, "the source: ", 12)));
    if (credentials)
        assert(*credentials->id && *credentials->secret && (!credentials->token || *credentials->token) && credentials->expires_s == credentials->expires_s);
    credentials_release(credentials);
    return 0;
}
