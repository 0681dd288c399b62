/* fuzz_profile.c: any bytes as ~/.aws/config and as ~/.aws/credentials: read without a mistake, or a sentence that names the file and does not
 * repeat it. */
#include "common/cleanup.h"
#include "common/s3/profile.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "aws_access_key_id", "region", "s3.addressing_style", "services", "" };
    for (int config = 0; config < 2; config++) {
        struct why why = { "" };
        struct profiles *profiles = profiles_new();
        if (!profiles)
            return 0;
        int r = profiles_add(profiles, "the-file", config, (const char *)data, size, &why);
        assert(r == 0 || !strncmp(why.text, "the-file: ", 10));
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            const char *value = profiles_get(profiles, "default", names[i]);
            assert(!value || (*value && strlen(value) <= size && !strchr(value, '\n')));
        }
        const char *endpoint = profiles_get_service(profiles, "p", "s3", "endpoint_url");
        assert(!endpoint || *endpoint);
        profiles_has(profiles, "p");
        profiles_free(profiles);
    }
    return 0;
}
