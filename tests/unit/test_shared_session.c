#include "worker/fetch/shared_session.h"

#include "tests/cluster/lib/process.h"
#include "tests/credentials_bed.h"

static struct shared_session *shared;
static struct why why;
static int error;

static enum shared_state state(void)
{
    return shared_session_state(shared, &error, &why);
}

TEST(a_session_is_looked_for_when_it_is_wanted_and_is_there_for_all)
{
    const struct s3_options options = { .region = "us-east-1" };
    credentials_bed_clear();
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    CHECK_INT(shared_session_new(&options, &shared), 0);
    CHECK(!shared_session_get(shared));
    WAIT_FOR(state() == SHARED_OPEN);
    struct s3_session *session = shared_session_get(shared);
    CHECK(session && state() == SHARED_OPEN && shared_session_get(shared) == session);
    shared_session_free(shared);
}

/* A search may take seconds, and thousands of images wait for it. */
TEST(where_there_are_no_credentials_the_search_is_not_repeated_for_each_image)
{
    const struct s3_options options = { .region = "us-east-1" };
    credentials_bed_clear();
    credentials_bed_write("config", "[default]\ncredential_process = echo once >>searches; exit 1\n");
    CHECK_INT(shared_session_new(&options, &shared), 0);
    CHECK_INT(state(), SHARED_OPENING);
    WAIT_FOR(state() == SHARED_FAILED);
    for (int i = 0; i < 1000; i++) {
        error = 0;
        CHECK_INT(state(), SHARED_FAILED);
        CHECK_INT(error, -EACCES);
        CHECK_CONTAINS(why.text, "the command ended with status 1");
    }
    CHECK(!shared_session_get(shared));
    shared_session_free(shared);
    CHECK_INT(test_shell(NULL, "test $(wc -l <searches) = 1"), 0);
}

TEST(a_search_that_nobody_waits_for_any_more_is_ended_in_order)
{
    credentials_bed_clear();
    CHECK_INT(shared_session_new(NULL, &shared), 0);
    shared_session_free(shared);
    CHECK_INT(shared_session_new(NULL, &shared), 0);
    CHECK(state() != SHARED_OPEN);
    shared_session_free(shared);
}
