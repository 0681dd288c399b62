#include "coordinator/value.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "common/utf8.h"

#include <math.h>
#include <string.h>

json_t *value_whole(json_t *value)
{
    if (!json_refused())
        return value;
    json_decref(value);
    return NULL;
}

json_t *value_sized(const char *data, size_t size)
{
    CLEANUP(bytes_done) struct bytes clean;
    bytes_init(&clean, 3 * size + 1);
    if (utf8_append(&clean, data, size) < 0) {
        json_refuse();
        return NULL;
    }
    return json_stringn(clean.data ? clean.data : "", clean.size);
}

json_t *value_text(const char *data)
{
    return data ? value_sized(data, strlen(data)) : json_null();
}

json_t *value_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *value_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *value_ratio(uint64_t part, uint64_t all)
{
    return all ? json_real((double)part / (double)all) : json_null();
}

const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "?";
}

uint64_t count_at(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

double real_at(const json_t *object, const char *key)
{
    double value = json_number_value(json_object_get(object, key));
    return isfinite(value) ? value : 0;
}
