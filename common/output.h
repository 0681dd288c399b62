/* output.h: the end of a program that prints: were its answers taken?
 *
 * Threads:   the main one, when no other prints any more.
 * Errors:    logged; the exit status says so, too. */
#pragma once

/* The exit status of a program that would end with `status`: what a full disk or a closed pipe did not take was not said. */
int output_end(int status);
