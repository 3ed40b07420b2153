/* times.h - times and durations, from and for people. Pure. */
#ifndef MEMFERRY_CLI_TIMES_H
#define MEMFERRY_CLI_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_SIZE 40

/* "30" (seconds), "500ms", "30s", "5m", "2h", "7d". False: none of these, or over 10 years. */
bool duration_parse(const char *text, int64_t *ret_ms);
/* "12 ms", "3.2 s", "5 min", "2 h 10 min", "3 d 4 h". */
const char *duration_text(int64_t ms, char text[TIME_TEXT_SIZE]);
/* Local and short for a terminal, RFC 3339 in UTC otherwise; "-" for 0. */
const char *time_text(int64_t ms, bool local, char text[TIME_TEXT_SIZE]);
int64_t time_now_ms(void);
/* For waits and rates: nobody sets it. */
int64_t monotonic_ms(void);

#endif
