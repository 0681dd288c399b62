/* s3_place.h: where a coordinator says that its job's S3 store is. The worker's own options and environment win; credentials are always its own.
 *
 * Threads: plain data. Ownership: holds copies. Errors: none; what is too long is cut, and then no address. */
#pragma once

#include "common/s3/config.h"
#include "proto/messages.h"

struct s3_place {
    char endpoint_url[512], region[64], addressing_style[16];
    bool no_sign_request;
};

void s3_place_from_hello(struct s3_place *ret, const struct msg_hello *hello);
bool s3_place_equal(const struct s3_place *a, const struct s3_place *b);

/* Fills in what neither these options nor the environment say. The texts point into `place`. */
void s3_place_fill(const struct s3_place *place, struct s3_options *options);
