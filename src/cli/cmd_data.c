/* cmd_data.c - import, synth, info: data files. */
#include "commands.h"

#include "base/memory.h"
#include "base/options.h"
#include "finerouter/dataset.h"
#include "finerouter/log.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static fr_status write_data(const fr_dataset *data, const char *out)
{
    FR_TRY(fr_dataset_write(data, out));
    fr_log("%s: %lld prompts x %lld models, hash %s", out, (long long)data->N, (long long)data->M, data->hash);
    return FR_OK;
}

/* --format and --map are the keys data.format and data.map. */
static fr_status read_import_flags(fr_config *config, const fr_args *args)
{
    const char *format = fr_args_value(args, "--format");
    const char **map = FR_NEW(const char *, args->flags + 1);
    int64_t count = 0;
    for (int i = 0; i < args->flags; i++)
        if (strcmp(args->flag[i]->name, "--map") == 0)
            map[count++] = args->value[i];
    fr_status status = FR_OK;
    if (format)
        status = fr_option_assign(config, fr_option_find("data.format"), &format, 1, false, "--format");
    if (status == FR_OK && count)
        status = fr_option_assign(config, fr_option_find("data.map"), map, count, true, "--map");
    free(map);
    return status;
}

fr_status fr_cmd_import(const fr_args *args)
{
    fr_config config;
    fr_dataset data = {0};
    const char *out = fr_args_value(args, "--out");
    fr_status status;
    FR_TRY_GOTO(fr_args_config(&config, NULL, args, false), done);
    FR_TRY_GOTO(read_import_flags(&config, args), done);
    if (!out) {
        status = fr_fail(FR_USAGE, "import: want --out FILE, the data file to write");
        goto done;
    }
    FR_TRY_GOTO(fr_import(&data, args->positional[0], fr_args_value(args, "--models"), &config), done);
    FR_TRY_GOTO(fr_dataset_check(&data, args->positional[0]), done);
    status = write_data(&data, out);
done:
    fr_dataset_close(&data);
    fr_config_close(&config);
    return status;
}

fr_status fr_cmd_synth(const fr_args *args)
{
    fr_config config;
    fr_dataset data = {0};
    const char *out = fr_args_value(args, "--out");
    fr_status status;
    FR_TRY_GOTO(fr_args_config(&config, NULL, args, false), done);
    if (config.synth.prompts < 50) {
        status = fr_fail(FR_USAGE, "synth: synth.prompts is %lld, want at least 50, e.g. --set synth.prompts=20000",
                         (long long)config.synth.prompts);
        goto done;
    }
    if (!out) {
        status = fr_fail(FR_USAGE, "synth: want --out FILE, the data file to write");
        goto done;
    }
    FR_TRY_GOTO(fr_synth(&data, &config), done);
    FR_TRY_GOTO(fr_dataset_check(&data, "synthetic data"), done);
    status = write_data(&data, out);
done:
    fr_dataset_close(&data);
    fr_config_close(&config);
    return status;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(const fr_dataset *data, const fr_summary *s)
{
    json_t *object = json_object(), *sources = json_object(), *models = json_array();
    static const char *const split[] = {"train", "dev", "test"};
    for (int64_t i = 0; i < data->sources; i++) {
        json_t *counts = json_object();
        for (int k = 0; k < FR_SPLITS; k++)
            json_object_set_new(counts, split[k], json_integer(s->counts[i][k]));
        json_object_set_new(sources, data->source_name[i], counts);
    }
    for (int64_t m = 0; m < data->M; m++)
        json_array_append_new(models,
                              json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "name", data->model[m], "quality",
                                        number(s->models[m].quality), "cost_usd", number(s->models[m].cost),
                                        "input_usd_per_mtok", number(data->input_price[m]), "output_usd_per_mtok",
                                        number(data->output_price[m]), "observed", (json_int_t)s->models[m].observed));
    json_object_set_new(object, "hash", json_string(data->hash));
    json_object_set_new(object, "prompts", json_integer(data->N));
    json_object_set_new(object, "sources", sources);
    json_object_set_new(object, "models", models);
    json_object_set_new(object, "best_single", json_string(data->model[s->best_single]));
    json_object_set_new(object, "best_single_quality", number(s->best_single_quality));
    json_object_set_new(object, "random_quality", number(s->random_quality));
    json_object_set_new(object, "dataset_oracle_quality", number(s->dataset_oracle_quality));
    json_object_set_new(object, "oracle_quality", number(s->oracle_quality));
    json_object_set_new(object, "missing_share", number(s->missing_share));
    json_object_set_new(object, "tied_best_share", number(s->tied_best_share));
    json_object_set_new(object, "duplicate_prompts", json_integer(s->duplicates));
    json_object_set_new(object, "with_description", json_integer(s->with_description));
    json_object_set_new(object, "embedding_width", json_integer(data->embedding_width));
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(8));
    printf("%s\n", text);
    free(text);
    json_decref(object);
}

static void print_text(const char *path, const fr_dataset *data, const fr_summary *s)
{
    printf("%s\n  hash %s\n  %lld prompts (%lld with a description, %lld whose text is not the only one of its kind), "
           "%lld models\n\n",
           path, data->hash, (long long)data->N, (long long)s->with_description, (long long)s->duplicates,
           (long long)data->M);
    if (data->embedding)
        printf("  embeddings of the prompts, %lld numbers each (encoder.embeddings: data)\n\n",
               (long long)data->embedding_width);
    printf("  %-28s %8s %8s %8s\n", "source", "train", "dev", "test");
    int64_t total[FR_SPLITS] = {0};
    for (int64_t i = 0; i < data->sources; i++) {
        printf("  %-28s %8lld %8lld %8lld\n", data->source_name[i], (long long)s->counts[i][0],
               (long long)s->counts[i][1], (long long)s->counts[i][2]);
        for (int k = 0; k < FR_SPLITS; k++)
            total[k] += s->counts[i][k];
    }
    printf("  %-28s %8lld %8lld %8lld\n\n", "all", (long long)total[0], (long long)total[1], (long long)total[2]);
    printf("  %-36s %8s %9s %14s %22s\n", "model", "quality", "observed", "$/1k answers", "$/M tokens in, out");
    for (int64_t m = 0; m < data->M; m++) {
        char cost[32] = "unknown", price[48] = "unknown";
        if (isfinite(s->models[m].cost))
            snprintf(cost, sizeof cost, "%.4f", 1000 * s->models[m].cost);
        if (isfinite(data->input_price[m]) && isfinite(data->output_price[m]))
            snprintf(price, sizeof price, "%.4g, %.4g", data->input_price[m], data->output_price[m]);
        printf("%s %-36s %8.4f %9lld %14s %22s\n", m == s->best_single ? " *" : "  ", data->model[m],
               s->models[m].quality, (long long)s->models[m].observed, cost, price);
    }
    printf("\n  random %.4f, best single model (*) %.4f, best model per source %.4f, oracle %.4f\n", s->random_quality,
           s->best_single_quality, s->dataset_oracle_quality, s->oracle_quality);
    printf("  %.2f%% of the scores are missing; %.1f%% of the prompts have several best models\n",
           100 * s->missing_share, 100 * s->tied_best_share);
}

fr_status fr_cmd_info(const fr_args *args)
{
    fr_dataset data = {0};
    FR_TRY(fr_dataset_read(&data, args->positional[0]));
    fr_summary summary;
    fr_summarize(&summary, &data);
    if (fr_args_has(args, "--json"))
        print_json(&data, &summary);
    else
        print_text(args->positional[0], &data, &summary);
    fr_summary_close(&summary);
    fr_dataset_close(&data);
    return FR_OK;
}
