/* fuzz_s3_error.c: any bytes as what a store says with a refusal: it is one of the known faults, and there is a printable sentence for it. */
#include "common/s3/error.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *text)
{
    for (; *text; text++)
        assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = { 200, 301, 400, 403, 404, 412, 429, 500, 503, 599 };
    const struct s3_subject subject = { "s3://b/k", "b", "host", "us-east-1", size % 2 ? "somebody" : NULL, "" };
    struct s3_error error;
    struct why why = { "" };
    if (!size)
        return 0;
    s3_error_parse(&error, statuses[data[0] % 10], (const char *)data + 1, size - 1);
    assert(error.fault >= S3_OK && error.fault <= S3_OTHER);
    int r = s3_error_because(&error, &subject, &why);
    assert((r == 0) == (error.fault == S3_OK) && (r == 0) == !*why.text);
    check_printable(error.code);
    check_printable(error.message);
    check_printable(error.region);
    check_printable(why.text);
    return 0;
}
