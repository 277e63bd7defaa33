/* Task cards: a task as Markdown for people. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 400 };

/* Space and control characters of ASCII. */
static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 127;
}

void fr_add_line(fr_buffer *buffer, const char *text, size_t limit)
{
    size_t start = buffer->bytes;
    fr_buffer_add(buffer, "", 0);
    for (; *text; text++) {
        bool begins = ((unsigned char)*text & 0xC0) != 0x80; /* not inside a UTF-8 character */
        if (begins && buffer->bytes - start >= limit) {
            fr_buffer_add(buffer, "\xE2\x80\xA6", 3); /* ellipsis */
            break;
        }
        if (!is_blank(*text))
            fr_buffer_add(buffer, text, 1);
        else if (buffer->bytes > start && buffer->data[buffer->bytes - 1] != ' ')
            fr_buffer_add(buffer, " ", 1);
    }
    while (buffer->bytes > start && buffer->data[buffer->bytes - 1] == ' ')
        buffer->data[--buffer->bytes] = '\0';
}

/* A cell of a table: a bar would end it. */
static void add_cell(fr_buffer *card, const char *text)
{
    fr_buffer line = {0};
    fr_add_line(&line, text, TEXT_BYTES);
    for (size_t i = 0; i < line.bytes; i++) {
        if (line.data[i] == '|')
            fr_buffer_add(card, "\\", 1);
        fr_buffer_add(card, line.data + i, 1);
    }
    fr_buffer_close(&line);
}

static void add_number(fr_buffer *card, float x, const char *end)
{
    if (isnan(x))
        fr_buffer_addf(card, "-%s", end);
    else
        fr_buffer_addf(card, "%.3f%s", (double)x, end);
}

static void add_nearest(fr_buffer *card, const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    fr_buffer_addf(card, "## Nearest to the centre\n\n");
    for (int r = 0; r < 3 && tasks->nearest[3 * t + r] >= 0; r++) {
        int64_t i = tasks->nearest[3 * t + r];
        fr_buffer_addf(card, "%d. ", r + 1);
        if (data->description[i][0]) {
            fr_add_line(card, data->description[i], TEXT_BYTES);
            fr_buffer_addf(card, "\n   > ");
        }
        fr_add_line(card, data->text[i], TEXT_BYTES);
        fr_buffer_addf(card, "\n");
    }
}

static void add_mix(fr_buffer *card, const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    const int32_t *label = tasks->membership + (tasks->rounds - 1) * tasks->N;
    int64_t *count = FR_NEW(int64_t, data->sources);
    for (int64_t i = 0; i < data->N; i++)
        count[data->source[i]] += label[i] == t;
    fr_buffer_addf(card, "\n## Benchmarks\n\n| benchmark | prompts | share |\n|---|---:|---:|\n");
    for (int64_t rest = tasks->size[t]; rest > 0;) { /* largest first */
        int64_t largest = 0;
        for (int64_t s = 1; s < data->sources; s++)
            if (count[s] > count[largest])
                largest = s;
        fr_buffer_addf(card, "| ");
        add_cell(card, data->source_name[largest]);
        fr_buffer_addf(card, " | %lld | %.1f%% |\n", (long long)count[largest],
                       100 * (double)count[largest] / (double)tasks->size[t]);
        rest -= count[largest];
        count[largest] = 0;
    }
    free(count);
}

static void add_models(fr_buffer *card, const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    int64_t M = tasks->M, in = 0;
    for (int64_t m = 0; m < M; m++)
        in += tasks->candidates[t * M + m];
    fr_buffer_addf(card,
                   "\n## Models\n\n%lld of %lld models are candidates; they hold a best model of %.1f%% of the "
                   "prompts.\n\n",
                   (long long)in, (long long)M, 100 * (double)tasks->coverage[t]);
    fr_buffer_addf(card, "| rank | model | candidate | mean quality | median quality | stage 1 |\n"
                         "|---:|---|---|---:|---:|---:|\n");
    for (int64_t r = 0; r < M; r++) {
        int64_t m = tasks->fused_order[t * M + r];
        fr_buffer_addf(card, "| %lld | ", (long long)(r + 1));
        add_cell(card, data->model[m]);
        fr_buffer_addf(card, " | %s | ", tasks->candidates[t * M + m] ? "yes" : "");
        add_number(card, tasks->mean[t * M + m], " | ");
        add_number(card, tasks->median[t * M + m], " | ");
        add_number(card, tasks->stage1[t * M + m], " |\n");
    }
}

char *fr_task_card(const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    FR_CHECK(t >= 0 && t < tasks->T, "task %lld of %lld", (long long)t, (long long)tasks->T);
    fr_buffer card = {0};
    fr_buffer_addf(&card, "# Task %lld: ", (long long)t);
    fr_add_line(&card, tasks->name[t], TEXT_BYTES);
    fr_buffer_addf(&card, "\n\n%lld training prompts. Mean edge weight inside: ", (long long)tasks->size[t]);
    add_number(&card, tasks->cohesion_inside[t], ", leaving: ");
    add_number(&card, tasks->cohesion_outside[t], ".\n\n");
    add_nearest(&card, tasks, data, t);
    add_mix(&card, tasks, data, t);
    add_models(&card, tasks, data, t);
    return card.data;
}
