/* json_value.c - see json_value.h. Failures are the writer's: kept until they are asked for. */
#include "plugins/common/json_value.h"

static void write_list(struct json_writer *w, const struct memferry_value *list)
{
    json_begin_array(w);
    for (size_t i = 0; i < list->as.list.count; i++) {
        json_write_value(w, &list->as.list.items[i]);
    }
    json_end_array(w);
}

void json_write_value(struct json_writer *w, const struct memferry_value *value)
{
    switch (value->type) {
    case MEMFERRY_VALUE_BOOL:
        json_write_bool(w, value->as.boolean);
        break;
    case MEMFERRY_VALUE_INT:
        json_write_int(w, value->as.integer);
        break;
    case MEMFERRY_VALUE_FLOAT:
        json_write_double(w, value->as.floating);
        break;
    case MEMFERRY_VALUE_STRING:
        json_write_string(w, value->as.string.data, value->as.string.size);
        break;
    case MEMFERRY_VALUE_LIST:
        write_list(w, value);
        break;
    }
}
