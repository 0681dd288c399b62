/* hostile.h: files made to break whatever decodes them, each built from a sound one.
 *
 * Threads:   a test's only one.
 * Ownership: files go into a folder, nothing is kept.
 * Errors:    fail the test. */
#pragma once

/* Writes them as FOLDER/<number>-<name>, numbered from `first`; returns how many. */
int hostile_jpegs(const char *folder, int first);
int hostile_pngs(const char *folder, int first);
int hostile_webps(const char *folder, int first);
