#include "tests/cluster/lib/golden.h"

#include "tests/cluster/lib/table.h"
#include "tests/test.h"

#include <math.h>

/* The golden lines are in no particular order. */
static const json_t *find_file(const struct table *golden, const char *uri)
{
    const char *file = strstr(uri, "/images/") + strlen("/images/");
    for (size_t i = 0; i < golden->count; i++)
        if (!strcmp(json_string_value(json_object_get(golden->rows[i], "file")), file))
            return golden->rows[i];
    test_fail(__FILE__, __LINE__, "PyTorch was not asked about %s", file);
}

static double compare_row(const json_t *row, const json_t *golden)
{
    json_t *ours = json_object_get(row, "predictions"), *theirs = json_object_get(golden, "top5"), *entry;
    double worst = 0;
    size_t i;
    CHECK_INT(json_array_size(ours), 5);
    json_array_foreach(theirs, i, entry) {
        const json_t *prediction = json_array_get(ours, i);
        double p = json_number_value(json_array_get(entry, 1)), q = json_real_value(json_object_get(prediction, "probability"));
        if (i == 0 && json_integer_value(json_object_get(prediction, "index")) != json_integer_value(json_array_get(entry, 0)))
            test_fail(__FILE__, __LINE__, "%s: another first class than PyTorch's", row_uri(row));
        worst = fmax(worst, fabs(p - q));
    }
    return worst;
}

void golden_compare(const char *path, int dogs_right, int others_right)
{
    struct table table, golden;
    int dogs = 0, others = 0;
    double worst = 0;
    table_read(&table, "job/predictions.jsonl");
    table_read(&golden, path);
    CHECK_INT(table.count, 355);
    CHECK_INT(golden.count, 355);
    for (size_t i = 0; i < table.count; i++) {
        const json_t *row = table.rows[i];
        worst = fmax(worst, compare_row(row, find_file(&golden, row_uri(row))));
        int *right = strstr(row_uri(row), "/images/dogs/") ? &dogs : &others;
        CHECK(json_is_boolean(json_object_get(row, "match")));
        *right += json_is_true(json_object_get(row, "match"));
    }
    printf("largest difference of a probability: %.2g\n", worst);
    CHECK(worst <= 1e-4);
    CHECK_INT(dogs, dogs_right);
    CHECK_INT(others, others_right);
    table_done(&table);
    table_done(&golden);
}
