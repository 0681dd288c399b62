#include "common/s3/skew.h"

#include "common/log.h"

#include <stdlib.h>

time_t skew_date(CURL *curl)
{
    struct curl_header *header;
    time_t date = curl_easy_header(curl, "date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? curl_getdate(header->value, NULL) : 0;
    return date > 0 ? date : 0;
}

time_t skew_of(time_t date)
{
    time_t offset_s = date - time(NULL);
    return date && llabs((long long)offset_s) >= SKEW_MIN_S ? offset_s : 0;
}

void skew_warn(time_t offset_s, const char *host)
{
    long long away = llabs((long long)offset_s);
    if (away < SKEW_MIN_S)
        log_warning("the clock here has been set: it agrees with that of %s, and signatures follow it again", host);
    else
        log_warning("the clock here is %lld s %s that of %s, which signatures follow from now on; set this machine's clock (timedatectl set-ntp true)",
                    away, offset_s < 0 ? "ahead of" : "behind", host);
}
