#include "worker/engines/rows.h"

#include "tests/test.h"

#include <math.h>

TEST(predictions_are_the_largest_logits_in_falling_order)
{
    static const float logits[] = { 0, 3, -1, 7, 2, 6 };
    struct prediction best[3];
    CHECK_INT(rows_predict(logits, 6, 3, best), 0);
    CHECK(best[0].index == 3 && best[1].index == 5 && best[2].index == 1);
    double sum = 0;
    for (int i = 0; i < 6; i++)
        sum += exp((double)logits[i]);
    for (int i = 0; i < 3; i++)
        CHECK(fabs((double)best[i].probability - exp((double)logits[best[i].index]) / sum) < 1e-7);
}

TEST(ties_go_to_the_lowest_index)
{
    static const float logits[] = { 1, 5, 5, 1, 5 };
    struct prediction best[5];
    CHECK_INT(rows_predict(logits, 5, 5, best), 0);
    static const uint32_t expected[] = { 1, 2, 4, 0, 3 };
    for (int i = 0; i < 5; i++)
        CHECK_INT(best[i].index, expected[i]);
    CHECK_INT(rows_predict(logits, 5, 2, best), 0);
    CHECK(best[0].index == 1 && best[1].index == 2);
}

TEST(huge_logits_do_not_overflow_and_one_class_is_certain)
{
    struct prediction best[2];
    CHECK_INT(rows_predict((float[]){ 3e38f, -3e38f }, 2, 2, best), 0);
    CHECK(best[0].probability == 1 && best[1].probability == 0);
    CHECK_INT(rows_predict((float[]){ -5 }, 1, 1, best), 0);
    CHECK(best[0].index == 0 && best[0].probability == 1);
}

TEST(two_classes_are_close_when_the_second_is_within_so_many_percent_of_the_first)
{
    const float near = logf(0.9f); /* nine tenths of the probability */
    CHECK(rows_are_close((float[]){ -3, 0, near, -1 }, 4, 11));
    CHECK(!rows_are_close((float[]){ -3, 0, near, -1 }, 4, 9));
    CHECK(rows_are_close((float[]){ near, -3, 0 }, 3, 11)); /* in any order */
    CHECK(rows_are_close((float[]){ 7, 7 }, 2, 1));
    CHECK(rows_are_close((float[]){ 3e38f, -3e38f }, 2, 100)); /* 100: everything */
    CHECK(!rows_are_close((float[]){ 3e38f, -3e38f }, 2, 99));
    CHECK(!rows_are_close((float[]){ 5 }, 1, 99)); /* one class is certain */
}

TEST(values_that_are_not_finite_are_refused)
{
    struct prediction best[2];
    CHECK_INT(rows_predict((float[]){ 1, NAN, 2 }, 3, 2, best), -ERANGE);
    CHECK_INT(rows_predict((float[]){ 1, 2, INFINITY }, 3, 2, best), -ERANGE);
    CHECK_INT(rows_check((float[]){ 1, -3e38f, 3e38f }, 3), 0);
    CHECK_INT(rows_check((float[]){ 1, -INFINITY }, 2), -ERANGE);
}
