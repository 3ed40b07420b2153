/* applier_queue.c - see applier_queue.h. */
#include "broker/applier_queue.h"

#include <assert.h>
#include <string.h>

#define BATCH_BYTES_MAX ((size_t)4 << 20)
#define BATCH_WORKS_MAX 256

static void push_work(struct work_list *list, struct applier_work *work)
{
    work->next = NULL;
    if (list->tail == NULL) {
        list->head = work;
    } else {
        list->tail->next = work;
    }
    list->tail = work;
    list->count++;
}

bool applier_queue_is_empty(const struct applier_queue *queue)
{
    return queue->records.count == 0 && queue->works.count == 0;
}

void applier_queue_add_work(struct applier_queue *queue, struct applier_work *work)
{
    work->position = queue->first + queue->records.count;
    work->status = 0;
    push_work(&queue->works, work);
}

bool applier_queue_work_is_next(const struct applier_queue *queue)
{
    return queue->works.head != NULL && queue->works.head->position <= queue->first;
}

struct applier_work *applier_queue_pop_work(struct applier_queue *queue)
{
    struct work_list *list = &queue->works;
    struct applier_work *work = list->head;

    assert(work != NULL);
    list->head = work->next;
    if (list->head == NULL) {
        list->tail = NULL;
    }
    list->count--;
    work->next = NULL;
    return work;
}

struct journal_record *applier_queue_pop_record(struct applier_queue *queue)
{
    queue->first++;
    return journal_list_pop(&queue->records);
}

static bool is_full(const struct applier_queue *batch, size_t records_max)
{
    return batch->records.count >= records_max || batch->records.bytes >= BATCH_BYTES_MAX ||
           batch->works.count >= BATCH_WORKS_MAX;
}

void applier_queue_take(struct applier_queue *queue, struct applier_queue *batch,
                        size_t records_max)
{
    assert(applier_queue_is_empty(batch));
    batch->first = queue->first;
    while (!applier_queue_is_empty(queue) && !is_full(batch, records_max)) {
        if (applier_queue_work_is_next(queue)) {
            push_work(&batch->works, applier_queue_pop_work(queue));
        } else {
            journal_list_push(&batch->records, applier_queue_pop_record(queue));
        }
    }
}

void applier_queue_return(struct applier_queue *queue, struct applier_queue *batch)
{
    journal_list_append(&batch->records, &queue->records);
    while (queue->works.head != NULL) {
        push_work(&batch->works, applier_queue_pop_work(queue));
    }
    *queue = *batch;
    memset(batch, 0, sizeof *batch);
}
