/* torture_db.h: databases for scenarios of torture(): SQLite takes its memory where we do, and thousands of them take little time.
 *
 * The object is in no library: the Makefile links it into the programs that ask for it, in which fsync() then does nothing, as nothing there must
 * survive a power cut. In a library it would answer for whoever calls fsync().
 *
 * Threads:   torture_db_begin() comes before any thread and any database.
 * Ownership: the folder in memory is removed when the process ends.
 * Errors:    fail the test. */
#pragma once

/* The working directory is an empty one, in memory where there is a file system in memory, and else the test's. */
void torture_db_begin(void);

/* Removes job.db, and what SQLite left beside it. */
void torture_db_remove(void);
