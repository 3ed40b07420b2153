/* journal_list.c - queues of records, linked through the records themselves. Cannot fail. */
#include "broker/journal.h"

void journal_list_push(struct journal_list *list, struct journal_record *record)
{
    record->next = NULL;
    if (list->tail != NULL) {
        list->tail->next = record;
    } else {
        list->head = record;
    }
    list->tail = record;
    list->count++;
    list->bytes += record->payload_size;
}

struct journal_record *journal_list_pop(struct journal_list *list)
{
    struct journal_record *record = list->head;

    if (record == NULL) {
        return NULL;
    }
    list->head = record->next;
    if (list->head == NULL) {
        list->tail = NULL;
    }
    list->count--;
    list->bytes -= record->payload_size;
    record->next = NULL;
    return record;
}

void journal_list_append(struct journal_list *list, struct journal_list *more)
{
    if (more->head == NULL) {
        return;
    }
    if (list->tail != NULL) {
        list->tail->next = more->head;
    } else {
        list->head = more->head;
    }
    list->tail = more->tail;
    list->count += more->count;
    list->bytes += more->bytes;
    *more = (struct journal_list){0};
}
