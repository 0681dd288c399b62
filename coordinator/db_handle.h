/* db_handle.h: what the parts of db.h share: db.c opens the file and knows its errors, db_rows.c its tables, db_private.c the file beside it.
 *
 * Threads, ownership, errors: as in db.h. */
#pragma once

#include "coordinator/db.h"

#include <limits.h>
#include <sqlite3.h>

/* What else there is to say of a file that cannot be as it is. */
#define DB_DAMAGED "was damaged from outside: put a copy of the whole folder back, or begin a new job"

enum db_statement {
    SQL_BEGIN, SQL_COMMIT, SQL_SET, SQL_GET, SQL_ADD_BATCH, SQL_ADD_RESULT, SQL_COUNT_BATCHES, SQL_COUNT_RESULTS, SQL_COUNT_RETRIES, SQL_PENDING, SQL_LAST,
    SQL_WALK, SQL_FAILED, SQL_VERIFY, SQL_NODES, SQL_ADD_RETRY, SQL_RETRY, SQL_RETRY_DONE, SQL_ROWS, SQL_SET_ROWS, SQL_FORGET_RETRIES,
    SQL_STATEMENTS,
};

struct db_private;

struct db {
    sqlite3 *handle;
    char path[PATH_MAX];
    sqlite3_stmt *prepared[SQL_STATEMENTS];
    struct db_private *aside; /* NULL: not open */
    bool no_private;          /* and not needed */
};

/* db.c: an errno and a sentence for SQLite's `code`. */
int db_failed(struct db *db, int code, struct why *why);

/* db_rows.c */
int db_prepare(struct db *db, struct why *why);
int db_run(struct db *db, enum db_statement which, struct why *why); /* a bound statement that returns no rows */

/* A column of the row that the statement stands at, to be freed. */
int db_copy_blob(struct db *db, sqlite3_stmt *statement, void **ret, size_t *ret_size, struct why *why);

/* db_private.c */
int db_private_commit(struct db *db, struct why *why);
void db_private_close(struct db *db);
