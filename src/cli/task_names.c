/* Task names written by an LLM (llm.url). */
#include "stages.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "llm.h"

#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 10, EXAMPLE_CHARACTERS = 300 };

/* The members of highest cosine to the centre, best first, equal ones by row; returns how many. */
static int find_examples(int64_t row[EXAMPLES], const fr_tasks *tasks, const float *embedding, int64_t t)
{
    const int32_t *label = tasks->membership + (tasks->rounds - 1) * tasks->N;
    float best[EXAMPLES];
    int found = 0;
    for (int64_t i = 0; i < tasks->N; i++) {
        if (label[i] != t)
            continue;
        float cosine = 0;
        for (int64_t j = 0; j < tasks->d; j++)
            cosine += tasks->centre[t * tasks->d + j] * embedding[i * tasks->d + j];
        int place = found;
        while (place > 0 && cosine > best[place - 1])
            place--;
        if (place == EXAMPLES)
            continue;
        found += found < EXAMPLES;
        memmove(best + place + 1, best + place, (size_t)(found - 1 - place) * sizeof *best);
        memmove(row + place + 1, row + place, (size_t)(found - 1 - place) * sizeof *row);
        best[place] = cosine;
        row[place] = i;
    }
    return found;
}

/* One item of the list: the description, else the beginning of the prompt, on one line. */
static void add_example(fr_buffer *request, const fr_dataset *data, int64_t row)
{
    const char *text = data->description[row][0] ? data->description[row] : data->text[row];
    int64_t characters = 0;
    fr_buffer_addf(request, "- ");
    for (; *text; text++) {
        if ((*text & 0xC0) != 0x80 && characters++ == EXAMPLE_CHARACTERS) {
            fr_buffer_addf(request, "...");
            break;
        }
        fr_buffer_add(request, *text == '\n' || *text == '\r' ? " " : text, 1);
    }
    fr_buffer_addf(request, "\n");
}

static char *request_for(const fr_tasks *tasks, const fr_dataset *data, const float *embedding, int64_t t)
{
    int64_t row[EXAMPLES];
    int count = find_examples(row, tasks, embedding, t);
    fr_buffer request = {0};
    fr_buffer_addf(&request, "These requests to a language model belong to one task:\n\n");
    for (int i = 0; i < count; i++)
        add_example(&request, data, row[i]);
    fr_buffer_addf(&request, "\nSummarize the task that they have in common in one sentence of at most 20 words. Say "
                             "what is asked for and in which field; leave out details of single requests. Answer with "
                             "that sentence alone.");
    return request.data;
}

/* Asks for every name; written[t] says which came. */
static fr_status ask_names(fr_llm *llm, fr_tasks *tasks, const fr_dataset *data, const float *embedding, bool *written)
{
    fr_progress progress;
    fr_status status = FR_OK;
    fr_progress_begin(&progress, "name tasks", "tasks", tasks->T);
    for (int64_t t = 0; t < tasks->T && status == FR_OK; t++) {
        const char *answer;
        char *request = request_for(tasks, data, embedding, t);
        status = fr_llm_ask(llm, &answer, request);
        free(request);
        if (status == FR_OK) {
            free(tasks->name[t]);
            tasks->name[t] = fr_strdup(answer);
            written[t] = true;
        } else if (status == FR_FAILED) {
            bool stop = fr_llm_failures(llm) >= FR_LLM_PATIENCE && t + 1 < tasks->T;
            fr_log_warn("task %lld keeps a description as its name: %s", (long long)t, fr_error_text());
            if (stop)
                fr_log_warn("%lld failures in a row: the other %lld tasks are not asked for; the same command asks "
                            "again",
                            (long long)fr_llm_failures(llm), (long long)(tasks->T - t - 1));
            status = FR_OK;
            if (stop)
                break;
        }
        fr_progress_add(&progress, 1);
    }
    fr_progress_end(&progress);
    return status;
}

/* name_embedding, and a key that holds the names: what starts at their embeddings is another result. */
static fr_status embed_names(const fr_run *run, const fr_texts *texts, fr_products *products, const bool *written)
{
    fr_tasks *tasks = &products->tasks;
    size_t row = (size_t)texts->d * sizeof(float);
    char names[FR_HASH_CHARS];
    fr_hash *hash = fr_hash_create();
    for (int64_t t = 0; t < tasks->T; t++)
        fr_hash_add_text(hash, written[t] ? tasks->name[t] : "");
    fr_hash_end(hash, names);
    products->tasks_key = FR_KEY("names", 1, products->config, NULL, NULL, products->tasks_key.hex, names);
    tasks->name_embedding = FR_NEW(float, tasks->T * texts->d);
    FR_TRY(fr_texts_embed(tasks->name_embedding, run, texts, (const char *const *)tasks->name, tasks->T));
    for (int64_t t = 0; t < tasks->T; t++)
        if (!written[t])
            memcpy(tasks->name_embedding + t * texts->d, texts->description + tasks->name_row[t] * texts->d, row);
    return FR_OK;
}

/* The root asks, from an answer file of its own. */
static fr_status ask_as_root(fr_tasks *tasks, int64_t *asked, const fr_run *run, const fr_dataset *data,
                             const float *embedding, const fr_config *config, bool *written)
{
    char *path = fr_path_join(run->cache, "llm-answers.jsonl");
    fr_llm *llm;
    fr_status status = fr_llm_open(&llm, config, path);
    free(path);
    FR_TRY(status);
    status = ask_names(llm, tasks, data, embedding, written);
    *asked = fr_llm_asked(llm);
    fr_llm_close(llm);
    return status;
}

/* The other ranks get its names. */
static void share_names(fr_tasks *tasks, bool *written)
{
    fr_comm_broadcast(written, (size_t)tasks->T * sizeof *written, 0);
    for (int64_t t = 0; t < tasks->T; t++) {
        int64_t bytes = (int64_t)strlen(tasks->name[t]) + 1;
        fr_comm_broadcast(&bytes, sizeof bytes, 0);
        tasks->name[t] = fr_realloc(tasks->name[t], (size_t)bytes);
        fr_comm_broadcast(tasks->name[t], (size_t)bytes, 0);
    }
}

fr_status fr_name_tasks(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    const fr_config *config = products->config;
    fr_tasks *tasks = &products->tasks;
    if (!config->llm.url[0] || tasks->T == 0)
        return FR_OK;
    double start = fr_seconds();
    const float *embedding = config->discover.text == FR_TEXT_DESCRIPTION ? texts->description : texts->prompt;
    bool *written = FR_NEW(bool, tasks->T);
    int64_t count = 0, asked = 0;
    fr_status status =
        fr_comm_agree(fr_is_root() ? ask_as_root(tasks, &asked, run, data, embedding, config, written) : FR_OK);
    if (status == FR_OK)
        share_names(tasks, written);
    for (int64_t t = 0; t < tasks->T; t++)
        count += written[t];
    if (status == FR_OK && count > 0)
        status = embed_names(run, texts, products, written);
    if (status == FR_OK)
        fr_log("%lld of %lld task names from %s (%lld asked for, %lld answered before)", (long long)count,
               (long long)tasks->T, config->llm.model, (long long)asked, (long long)(count - asked));
    fr_run_seconds(run, "names", asked ? fr_seconds() - start : 0);
    free(written);
    return status;
}
