#include "tests/torture_db.h"

#include "tests/test.h"

#include <malloc.h>
#include <sqlite3.h>
#include <unistd.h>

/* ---- SQLite takes its memory where we do (and jansson, see common/json.h) ---- */

static void *sqlite_malloc(int size)
{
    return malloc((size_t)size);
}

static void *sqlite_realloc(void *memory, int size)
{
    return realloc(memory, (size_t)size);
}

static int sqlite_size(void *memory)
{
    return (int)malloc_usable_size(memory);
}

static int sqlite_round(int size)
{
    return (size + 7) / 8 * 8;
}

static int sqlite_start(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

static void sqlite_stop(void *arg)
{
    (void)arg;
}

static void use_our_memory(void)
{
    static const sqlite3_mem_methods methods = { sqlite_malloc, free, sqlite_realloc, sqlite_size, sqlite_round, sqlite_start, sqlite_stop,
                                                 NULL };
    CHECK_INT(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
}

/* ---- thousands of databases ---- */

/* Nothing here must survive a power cut. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    (void)fd;
    return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return fsync(fd);
}

static char in_memory[] = "/dev/shm/sleddog-test-XXXXXX";

static void leave_memory(void)
{
    test_shell(NULL, "rm -r %s", in_memory);
}

/* Half of the time of thousands of databases is that of the file system they are in. Where there is none in memory the test's folder does. */
static void work_in_memory(void)
{
    if (mkdtemp(in_memory) && atexit(leave_memory) == 0)
        CHECK_INT(chdir(in_memory), 0);
}

void torture_db_begin(void)
{
    work_in_memory();
    use_our_memory();
}

void torture_db_remove(void)
{
    unlink("job.db");
    unlink("job.db-wal");
    unlink("job.db-shm");
}
