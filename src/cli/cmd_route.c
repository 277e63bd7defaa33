#include "commands.h"

#include "base/files.h"
#include "base/memory.h"
#include "finerouter/log.h"
#include "finerouter/router.h"
#include "io/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Prompts are routed in blocks, so that any number of them needs bounded memory. */
#define BLOCK 1024

typedef struct block {
    char *text[BLOCK], *id[BLOCK];
    int64_t count;
} block;

static void block_clear(block *b)
{
    for (int64_t i = 0; i < b->count; i++) {
        free(b->text[i]);
        free(b->id[i]);
    }
    b->count = 0;
}

static json_t *by_model(const fr_router *router, const float *value)
{
    json_t *object = json_object();
    for (int64_t m = 0; m < fr_router_models(router); m++)
        json_object_set_new(object, fr_router_model_name(router, m),
                            isfinite(value[m]) ? json_real(value[m]) : json_null());
    return object;
}

static void print_decision(const fr_router *router, const fr_decisions *d, int64_t i, const char *id)
{
    int64_t M = fr_router_models(router);
    json_t *object = json_object(), *ranking = json_array();
    for (int64_t r = 0; r < M; r++)
        json_array_append_new(ranking, json_string(fr_router_model_name(router, d->ranking[i * M + r])));
    if (id)
        json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "model", json_string(fr_router_model_name(router, d->choice[i])));
    json_object_set_new(object, "task", d->task[i] < 0 ? json_null() : json_integer(d->task[i]));
    json_object_set_new(object, "task_name", json_string(fr_router_task_name(router, d->task[i])));
    json_object_set_new(object, "task_probability",
                        isfinite(d->probability[i]) ? json_real(d->probability[i]) : json_null());
    json_object_set_new(object, "s1", by_model(router, d->s1 + i * M));
    json_object_set_new(object, "s2", by_model(router, d->s2 + i * M));
    json_object_set_new(object, "score", by_model(router, d->score + i * M));
    json_object_set_new(object, "ranking", ranking);
    char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    printf("%s\n", text);
    free(text);
    json_decref(object);
}

static fr_status route_block(fr_router *router, block *b, bool name_only)
{
    fr_decisions decisions;
    fr_decisions_create(&decisions, router, b->count);
    fr_status status = fr_router_route(router, &decisions, (const char *const *)b->text, b->count);
    for (int64_t i = 0; status == FR_OK && i < b->count; i++) {
        if (name_only)
            printf("%s\n", fr_router_model_name(router, decisions.choice[i]));
        else
            print_decision(router, &decisions, i, b->id[i]);
    }
    if (status == FR_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = fr_fail(FR_FAILED, "standard output: cannot write: %s", strerror(errno));
    fr_decisions_close(&decisions);
    block_clear(b);
    return status;
}

/* One line of input into the block; empty lines are passed over. */
static fr_status take_line(block *b, const char *name, int64_t line, char *text, bool json)
{
    text[strcspn(text, "\r\n")] = 0;
    int64_t bad = fr_utf8_invalid(text, strlen(text));
    if (bad >= 0)
        return fr_fail(FR_FAILED, "%s:%lld: invalid UTF-8 at byte %lld of the line", name, (long long)line,
                       (long long)bad + 1);
    if (fr_utf8_blank(text))
        return FR_OK;
    if (!json) {
        b->id[b->count] = NULL;
        b->text[b->count++] = fr_strdup(text);
        return FR_OK;
    }
    json_error_t problem;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    if (!object)
        return fr_fail(FR_FAILED, "%s:%lld: not JSON: %s", name, (long long)line, problem.text);
    const char *prompt = json_string_value(json_object_get(object, "prompt"));
    const char *id = json_string_value(json_object_get(object, "id"));
    fr_status status = FR_OK;
    if (!prompt || fr_utf8_blank(prompt)) {
        status = fr_fail(FR_FAILED, "%s:%lld: has no \"prompt\", want {\"prompt\": \"...\"}", name, (long long)line);
    } else {
        b->id[b->count] = fr_strdup(id);
        b->text[b->count++] = fr_strdup(prompt);
    }
    json_decref(object);
    return status;
}

static fr_status route_file(fr_router *router, const char *path, bool name_only)
{
    bool standard = strcmp(path, "-") == 0;
    size_t length = strlen(path);
    bool json = length > 6 && strcmp(path + length - 6, ".jsonl") == 0;
    FILE *file = standard ? stdin : fopen(path, "r");
    if (!file)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(errno));
    block *b = FR_NEW(block, 1);
    char *line = NULL;
    size_t capacity = 0;
    fr_status status = FR_OK;
    ssize_t got;
    for (int64_t number = 1; status == FR_OK && (got = getline(&line, &capacity, file)) >= 0; number++) {
        if (strlen(line) != (size_t)got) {
            status = fr_fail(FR_FAILED, "%s:%lld: holds a NUL character", path, (long long)number);
            break;
        }
        /* Standard input may hold either: a line that starts with { is taken as JSON. */
        status = take_line(b, path, number, line, json || (standard && line[0] == '{'));
        if (status == FR_OK && b->count == BLOCK)
            status = route_block(router, b, name_only);
    }
    if (status == FR_OK && ferror(file))
        status = fr_fail(FR_FAILED, "%s: cannot read: %s", path, strerror(errno));
    if (status == FR_OK && b->count)
        status = route_block(router, b, name_only);
    block_clear(b);
    free(b);
    free(line);
    if (!standard)
        fclose(file);
    return status;
}

fr_status fr_cmd_route(const fr_args *args)
{
    const char *prompt = fr_args_value(args, "--prompt"), *file = fr_args_value(args, "--file");
    if (!prompt == !file)
        return fr_fail(FR_USAGE, "route: want one of --prompt TEXT and --file FILE");
    fr_router *router;
    FR_TRY(fr_router_open(&router, args->positional[0], fr_args_value(args, "--encoder")));
    double alpha = fr_router_alpha(router), tolerance = fr_router_tolerance(router);
    fr_status status;
    FR_TRY_GOTO(fr_args_number(args, "--alpha", 0, 1, &alpha), done);
    FR_TRY_GOTO(fr_args_number(args, "--tolerance", 0, 1, &tolerance), done);
    FR_TRY_GOTO(fr_router_set(router, alpha, tolerance), done);
    bool name_only = fr_args_has(args, "--name");
    if (prompt) {
        block *b = FR_NEW(block, 1);
        b->text[b->count++] = fr_strdup(prompt);
        status = route_block(router, b, name_only);
        block_clear(b);
        free(b);
    } else {
        status = route_file(router, file, name_only);
    }
done:
    fr_router_close(router);
    return status;
}
