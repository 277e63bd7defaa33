/* cards.json: the task cards as data, for the report's task explorer. */
#include "eval/internal.h"
#include "eval/json.h"

#include <stdlib.h>
#include <string.h>

enum { EXCERPT = 600 }; /* bytes of a prompt that a card shows */

/* The beginning of a prompt, cut between characters. */
static json_t *excerpt(const char *text)
{
    size_t bytes = strlen(text);
    if (bytes <= EXCERPT)
        return fr_json_text(text);
    for (bytes = EXCERPT; bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80;)
        bytes--;
    char *cut = fr_format("%.*s\xE2\x80\xA6", (int)bytes, text);
    json_t *json = fr_json_text(cut);
    free(cut);
    return json;
}

static json_t *examples(const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    json_t *list = json_array();
    for (int64_t e = 0; e < 3; e++) {
        int64_t i = tasks->nearest[t * 3 + e];
        if (i >= 0)
            json_array_append_new(list, json_pack("{s:o, s:o}", "text", excerpt(data->text[i]), "source",
                                                  fr_json_text(data->source_name[data->source[i]])));
    }
    return list;
}

/* Members by source, sources without any left out. */
static json_t *mix(const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    int64_t *members = FR_NEW(int64_t, data->sources);
    const int32_t *task = tasks->membership + (tasks->rounds - 1) * tasks->N;
    json_t *object = json_object();
    for (int64_t i = 0; i < data->N; i++)
        if (task[i] == t)
            members[data->source[i]]++;
    for (int64_t s = 0; s < data->sources; s++)
        if (members[s])
            fr_json_set(object, data->source_name[s], json_integer(members[s]));
    free(members);
    return object;
}

static json_t *by_model(const float *value, const fr_dataset *data)
{
    json_t *object = json_object();
    for (int64_t m = 0; m < data->M; m++)
        fr_json_set(object, data->model[m], fr_json_number(value[m]));
    return object;
}

static json_t *card(const fr_tasks *tasks, const fr_dataset *data, int64_t t)
{
    int64_t M = tasks->M;
    json_t *ranking = json_array(), *candidates = json_array(), *json = json_object();
    for (int64_t r = 0; r < M; r++) {
        int32_t m = tasks->fused_order[t * M + r];
        json_array_append_new(ranking, fr_json_text(data->model[m]));
        if (tasks->candidates[t * M + m])
            json_array_append_new(candidates, fr_json_text(data->model[m]));
    }
    json_object_set_new(json, "id", json_integer(t));
    json_object_set_new(json, "name", fr_json_text(tasks->name[t]));
    json_object_set_new(json, "size", json_integer(tasks->size[t]));
    json_object_set_new(json, "examples", examples(tasks, data, t));
    json_object_set_new(json, "mix", mix(tasks, data, t));
    json_object_set_new(json, "ranking", ranking);
    json_object_set_new(json, "candidates", candidates);
    json_object_set_new(json, "coverage", fr_json_number(tasks->coverage[t]));
    json_object_set_new(json, "mean", by_model(tasks->mean + t * M, data));
    json_object_set_new(json, "median", by_model(tasks->median + t * M, data));
    json_object_set_new(json, "cohesion_inside", fr_json_number(tasks->cohesion_inside[t]));
    json_object_set_new(json, "cohesion_outside", fr_json_number(tasks->cohesion_outside[t]));
    return json;
}

fr_status fr_cards_write(const char *path, const fr_tasks *tasks, const fr_dataset *data)
{
    FR_CHECK(tasks->N == data->N && tasks->M == data->M,
             "tasks are of %lld prompts x %lld models, the data %lld x %lld", (long long)tasks->N, (long long)tasks->M,
             (long long)data->N, (long long)data->M);
    json_t *root = json_object(), *models = json_array(), *cards = json_array();
    for (int64_t m = 0; m < data->M; m++)
        json_array_append_new(models, fr_json_text(data->model[m]));
    for (int64_t t = 0; t < tasks->T; t++)
        json_array_append_new(cards, card(tasks, data, t));
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "models", models);
    json_object_set_new(root, "tasks", cards);
    return fr_json_write(path, root);
}
