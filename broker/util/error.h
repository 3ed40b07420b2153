/*
 * error.h - the one error policy of the broker.
 *
 * A function that can fail returns int:
 *
 *   0          it worked
 *   < 0        a negative errno: the environment failed (memory, disk, a system call). Nobody in
 * the middle handles it: it is passed up to the one place that answers or ends. > 0        a value
 * of the module's own enum (JOURNAL_E_FULL, STORE_E_NEWER …): an outcome that the caller must
 * handle, by name.
 *
 * Where a person has to act on a failure, the function takes a last parameter `struct error *err`
 * and fills it: what happened, to what, and what to do. Never a bare errno, never a secret. It is
 * filled where the failure is known best, and logged once, by who ends its journey.
 */
#ifndef MEMFERRY_UTIL_ERROR_H
#define MEMFERRY_UTIL_ERROR_H

struct error {
    int code; /* what the function returned */
    char text[512];
};

/* Fills err (which may be NULL) and returns code, so that `return error_set(err, -EIO, …)` reads as
 * one step. A longer text is cut at a whole character. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set with the text of the errno that `code` (negative) stands for behind the message. */
int error_set_errno(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
