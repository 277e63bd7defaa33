/* Many texts into embeddings. Batches are the same on any number of ranks, and dealt out in turn: they come longest
 * text first, so that every rank gets some of each length. */
#include "base/memory.h"
#include "comm/comm.h"
#include "encoder_internal.h"
#include "finerouter/log.h"

#include <stdlib.h>
#include <string.h>

/* A text in the order of work: longest first, so that the largest batch comes first and every batch has texts of one
 * length; then by content, so that equal texts are neighbours; then by position. */
typedef struct work {
    const int32_t *ids;
    int64_t length, text;
} work;

static int by_length(const void *a, const void *b)
{
    const work *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    int order = memcmp(x->ids, y->ids, (size_t)x->length * sizeof *x->ids);
    if (order)
        return order;
    return x->text < y->text ? -1 : x->text > y->text;
}

static bool same(const work *x, const work *y)
{
    return x->length == y->length && memcmp(x->ids, y->ids, (size_t)x->length * sizeof *x->ids) == 0;
}

static work *sort(const fr_tokens *tokens)
{
    work *order = FR_NEW(work, tokens->count + 1);
    for (int64_t i = 0; i < tokens->count; i++)
        order[i] = (work){tokens->ids + tokens->offset[i], tokens->offset[i + 1] - tokens->offset[i], i};
    qsort(order, (size_t)tokens->count, sizeof *order, by_length);
    return order;
}

/* Packs texts from order[first] on into the encoder's host buffers until the next distinct one does not fit; row[k] is
 * the batch row of order[first + k]. Returns how many texts were taken, in *B how many rows. */
static int64_t pack(fr_encoder *e, int64_t *row, int64_t *B, const work *order, int64_t count, int64_t budget,
                    int64_t most_rows)
{
    int64_t taken = 0, rows = 0;
    for (; taken < count; taken++) {
        const work *w = &order[taken];
        if (taken == 0 || !same(w, w - 1)) {
            int64_t used = e->host_cu[rows];
            FR_CHECK(w->length >= 1 && w->length <= e->max_N, "text %lld has %lld tokens, want 1 to %lld",
                     (long long)w->text, (long long)w->length, (long long)e->max_N);
            if (rows == most_rows || (rows > 0 && used + w->length > budget))
                break;
            memcpy(e->host_ids + used, w->ids, (size_t)w->length * sizeof *w->ids);
            e->host_cu[++rows] = (int32_t)(used + w->length);
        }
        row[taken] = rows - 1;
    }
    *B = rows;
    return taken;
}

/* The least of what the ranks bring: batches must be the same, and fit everywhere. */
static int64_t least_of_ranks(int64_t value)
{
    int64_t *each = FR_NEW(int64_t, fr_comm_ranks());
    each[fr_comm_rank()] = value;
    fr_comm_each(each, sizeof *each);
    for (int r = 0; r < fr_comm_ranks(); r++)
        value = each[r] < value ? each[r] : value;
    free(each);
    return value;
}

fr_status fr_encoder_embed(fr_encoder *encoder, float *out, const fr_tokens *tokens, const char *what,
                           int64_t batch_tokens)
{
    int64_t C = encoder->shape.hidden, count = tokens->count, ranks = fr_comm_ranks(), batch = 0, B, taken;
    int64_t budget = least_of_ranks(batch_tokens < encoder->max_N ? batch_tokens : encoder->max_N),
            most_rows = least_of_ranks(encoder->max_B);
    work *order = sort(tokens);
    int64_t *row = FR_NEW(int64_t, count + 1);
    float *h = fr_alloc((size_t)(encoder->max_B * C) * sizeof *h);
    fr_status status = FR_OK;
    fr_progress progress;
    if (ranks > 1)
        memset(out, 0, (size_t)(count * C) * sizeof *out);
    fr_progress_begin(&progress, what, "texts", count);
    for (int64_t first = 0; first < count; first += taken, batch++) {
        if (fr_interrupt_wanted()) {
            status = fr_interrupted();
            break;
        }
        taken = pack(encoder, row, &B, order + first, count - first, budget, most_rows);
        if (batch % ranks == fr_comm_rank()) {
            fr_comm_at("embed texts", batch);
            fr_tensor_get(fr_encoder_run(encoder, encoder->host_ids, encoder->host_cu, B, (fr_encoder_randomness){0}),
                          h);
            for (int64_t k = 0; k < taken; k++)
                memcpy(out + order[first + k].text * C, h + row[k] * C, (size_t)C * sizeof *h);
        }
        fr_progress_add(&progress, taken); /* the others' batches with their own: they are as fast */
    }
    status = fr_comm_agree(status);
    if (status == FR_OK)
        fr_comm_unite(out, (size_t)(count * C) * sizeof *out);
    fr_progress_end(&progress);
    free(h);
    free(row);
    free(order);
    return status;
}
