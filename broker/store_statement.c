/*
 * store_statement.c - a statement that was observed: kept as it came, changing nothing else.
 */
#include "broker/event_statement.h"
#include "broker/store_apply.h"

int store_apply_statement(struct store *store, struct store_event *apply,
                          struct apply_result *result, struct error *err)
{
    struct event_statement statement;

    if (event_statement_read(apply->event.fields, apply->event.fields_size, &statement) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    *result = (struct apply_result){.outcome = APPLY_CHANGED, .seq = apply->record->seq};
    return store_outcome_of(
        store_write_event(store, apply, apply->event.fields, apply->event.fields_size, err));
}
