/* db_handle.h: what the two halves of db.h share: db.c opens the file and knows its errors, db_rows.c its tables.
 *
 * Threads, ownership, errors: as in db.h. */
#pragma once

#include "coordinator/db.h"

#include <limits.h>
#include <sqlite3.h>

enum db_statement {
    SQL_BEGIN, SQL_COMMIT, SQL_SET, SQL_GET, SQL_ADD_BATCH, SQL_ADD_RESULT, SQL_COUNT_BATCHES, SQL_COUNT_RESULTS, SQL_COUNT_RETRIES, SQL_PENDING, SQL_LAST,
    SQL_WALK, SQL_FAILED, SQL_VERIFY, SQL_NODES, SQL_ADD_RETRY, SQL_RETRY, SQL_RETRY_DONE, SQL_ROWS, SQL_SET_ROWS, SQL_FORGET_RETRIES,
    SQL_STATEMENTS,
};

struct db {
    sqlite3 *handle;
    char path[PATH_MAX];
    sqlite3_stmt *prepared[SQL_STATEMENTS];
};

/* db.c: an errno and a sentence for SQLite's `code`. */
int db_failed(struct db *db, int code, struct why *why);

/* db_rows.c */
int db_prepare(struct db *db, struct why *why);
int db_run(struct db *db, enum db_statement which, struct why *why); /* a bound statement that returns no rows */
