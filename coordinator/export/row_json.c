/* row_json.c: a class comes again and again, so the text of a prediction up to its probability is made once a class. */
#include "coordinator/export/row_json.h"

#include "common/cleanup.h"
#include "common/utf8.h"
#include "coordinator/export/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT(out, literal) bytes_append(out, literal, sizeof(literal) - 1)

struct row_json {
    const struct labels *labels;
    struct bytes heads; /* {"index":151,"label":"Chihuahua","probability": of every class */
    size_t *head;       /* where each begins; one more for the end */
};

DEFINE_FREEP(row_json_close, struct row_json)

void row_json_close(struct row_json *json)
{
    if (!json)
        return;
    bytes_done(&json->heads);
    free(json->head);
    free(json);
}

/* An index beyond the labels has no name: the label is null. */
static void append_head(const struct labels *labels, uint32_t index, struct bytes *out)
{
    const char *name = labels_name(labels, index);
    TEXT(out, "{\"index\":");
    json_text_unsigned(out, index);
    TEXT(out, ",\"label\":");
    if (name)
        json_text_string(out, name, strlen(name));
    else
        TEXT(out, "null");
    TEXT(out, ",\"probability\":");
}

int row_json_open(const struct labels *labels, struct row_json **ret)
{
    CLEANUP(row_json_closep) struct row_json *json = calloc(1, sizeof(*json));
    if (!json)
        return -ENOMEM;
    json->labels = labels;
    bytes_init(&json->heads, SIZE_MAX / 2);
    uint32_t count = labels_count(labels);
    json->head = calloc(count + 1, sizeof(*json->head));
    if (!json->head)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        append_head(labels, i, &json->heads);
        json->head[i + 1] = json->heads.size;
    }
    if (bytes_error(&json->heads))
        return bytes_error(&json->heads);
    *ret = take(json);
    return 0;
}

struct span row_without_query(struct span uri)
{
    bool has_one = uri.size > 4 && !strncasecmp(uri.data, "http", 4) && !memcmp(uri.data + uri.size - 4, "?...", 4);
    return (struct span){ uri.data, has_one ? uri.size - 4 : uri.size };
}

struct span row_name(struct span uri)
{
    uri = row_without_query(uri);
    const char *slash = memrchr(uri.data, '/', uri.size);
    const char *begin = slash ? slash + 1 : uri.data, *end = uri.data + uri.size;
    const char *dot = memrchr(begin, '.', (size_t)(end - begin));
    if (dot && dot > begin)
        end = dot;
    return (struct span){ begin, (uint32_t)(end - begin) };
}

static void append_predictions(const struct row_json *json, const struct rec_row *row, struct bytes *out)
{
    for (uint32_t i = 0; i < row->predictions_count; i++) {
        uint32_t index = row->predictions[i].index;
        if (i)
            bytes_append_char(out, ',');
        if (index < labels_count(json->labels))
            bytes_append(out, json->heads.data + json->head[index], json->head[index + 1] - json->head[index]);
        else
            append_head(json->labels, index, out);
        json_text_number(out, row->predictions[i].probability);
        bytes_append_char(out, '}');
    }
}

static void append_error(const struct rec_row *row, struct bytes *out)
{
    const char *kind = row_error_name(row->error), *detail = row->detail ? row->detail : "";
    TEXT(out, "{\"kind\":");
    json_text_string(out, kind, strlen(kind));
    TEXT(out, ",\"detail\":");
    json_text_string(out, detail, strlen(detail));
    bytes_append_char(out, '}');
}

static void append_names(struct span uri, struct bytes *out)
{
    TEXT(out, "{\"uri\":");
    json_text_string(out, uri.data, uri.size);
    if (!utf8_valid(uri.data, uri.size)) {
        TEXT(out, ",\"uri_base64\":");
        json_text_base64(out, uri.data, uri.size);
    }
    struct span name = row_name(uri);
    TEXT(out, ",\"name\":");
    json_text_string(out, name.data, name.size);
}

void row_json_append(const struct row_json *json, const struct export_row *row, struct bytes *out)
{
    append_names(row->item->uri, out);
    TEXT(out, ",\"truth\":");
    if (row->truth.data)
        json_text_string(out, row->truth.data, row->truth.size);
    else
        TEXT(out, "null");
    TEXT(out, ",\"predictions\":[");
    if (!row->row->error)
        append_predictions(json, row->row, out);
    TEXT(out, "],\"match\":");
    bytes_append_text(out, row->match == MATCH_NONE ? "null" : row->match == MATCH_TRUE ? "true" : "false");
    TEXT(out, ",\"error\":");
    if (row->row->error)
        append_error(row->row, out);
    else
        TEXT(out, "null");
    bytes_append_char(out, '}');
}
