/*
 * guard_mask.h - takes secrets out of a statement before it is kept anywhere.
 *
 * Masked are passwords in URLs; what follows PASSWORD, IDENTIFIED BY and their like; values of
 * names that sound secret (--password=…, PGPASSWORD=…, "api_key": "…"); the -p of mysql, the -u of
 * curl and others; Authorization headers; and what looks like a known kind of key (AWS, GitHub, JWT
 * …). Too much is masked rather than too little. What has no sign of being secret is kept.
 *
 * Pure; linear in time.
 */
#ifndef MEMFERRY_GUARD_MASK_H
#define MEMFERRY_GUARD_MASK_H

#include <stddef.h>

#define GUARD_MASK "***"

/* Writes at most max bytes, cut at a whole character; returns how many. The mask of a secret may be
 * longer than the secret. */
size_t guard_mask(const char *text, size_t size, char *ret, size_t max);

#endif
