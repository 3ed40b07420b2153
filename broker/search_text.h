/*
 * search_text.h - what search knows of characters: walking over UTF-8, and which scripts write
 * words without spaces between them.
 */
#ifndef MEMFERRY_SEARCH_TEXT_H
#define MEMFERRY_SEARCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at text[0] and how many bytes it has, 1 to `size`; of bytes that are no UTF-8 each
 * is a character. size ≥ 1. */
uint32_t search_char(const char *text, size_t size, size_t *ret_bytes);
size_t search_char_count(const char *text, size_t size);
/* Bytes of the first `count` characters, or of all when there are fewer. */
size_t search_char_prefix(const char *text, size_t size, size_t count);

/* Chinese, Japanese, Korean, Thai, Lao, Khmer, Myanmar: no space tells where a word ends, or a word
 * carries its particles. */
bool search_char_is_dense(uint32_t c);
bool search_char_is_space(uint32_t c);

#define SEARCH_UUID_SIZE 36
/* Whether the text begins as a UUID is written. */
bool search_text_is_uuid(const char *text, size_t size);

#endif
