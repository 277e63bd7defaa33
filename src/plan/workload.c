/* Sizes of a run, out of its config and the head of its data file. */
#include "base/files.h"
#include "base/memory.h"
#include "finerouter/dataset.h"
#include "io/h5.h"
#include "plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of synthetic data, measured on 20,000 prompts: bytes of a prompt and of its description, bytes of a word piece,
 * spread of the logarithm of a prompt's length, word pieces of a description, share of distinct descriptions. */
static const double synth_text = 237, synth_description = 89, piece_bytes = 4, length_spread = 0.55,
                    synth_description_tokens = 33, synth_distinct = 0.81;
/* Of data whose texts are not looked at. */
static const double usual_tokens = 128, usual_description_tokens = 30;
/* Tasks: measured, resolution auto: 160 training prompts a task at 20,000 prompts; the published pool has about 300. */
static const double prompts_per_task = 160, most_tasks = 300, least_tasks = 8, mean_candidates = 4;

static void assume(fr_assumptions *assumptions, char *line)
{
    FR_CHECK(assumptions->lines < (int)(sizeof assumptions->line / sizeof *assumptions->line), "%d assumptions",
             assumptions->lines);
    assumptions->line[assumptions->lines++] = line;
}

void fr_assumptions_close(fr_assumptions *assumptions)
{
    for (int i = 0; i < assumptions->lines; i++)
        free(assumptions->line[i]);
    *assumptions = (fr_assumptions){0};
}

/* Mean of min(X, most) for lognormal X of this mean:
 *
 *   mean Phi((ln most - m - s^2) / s) + most (1 - Phi((ln most - m) / s)),   m = ln mean - s^2 / 2 */
static double cut_mean(double mean, double most)
{
    double s = length_spread, m = log(mean) - s * s / 2, z = (log(most) - m) / s;
    return mean * 0.5 * erfc(-(z - s) / sqrt(2)) + most * 0.5 * erfc(z / sqrt(2));
}

static double tasks_for(const fr_config *config, double training)
{
    if (config->discover.method == FR_TASKS_KMEANS)
        return (double)config->discover.clusters;
    if (config->discover.method == FR_TASKS_SOURCE)
        return (double)config->synth.sources;
    double tasks = training / prompts_per_task;
    return floor(tasks < least_tasks ? least_tasks : tasks > most_tasks ? most_tasks : tasks);
}

fr_workload fr_workload_scaled(const fr_workload *work, double prompts, const fr_plan_sizes *given)
{
    fr_workload scaled = *work;
    const fr_config *config = work->config;
    double known = work->prompts > 0, share = known ? work->dev / work->prompts : config->data.dev_share,
           tested = known ? work->test / work->prompts : config->data.test_share;
    scaled.prompts = prompts;
    scaled.dev = round(prompts * share);
    scaled.test = round(prompts * tested);
    scaled.training = prompts - scaled.dev - scaled.test;
    scaled.tasks = isnan(given->tasks) ? tasks_for(config, scaled.training) : given->tasks;
    return scaled;
}

/* ---- the encoder ---- */

static fr_status read_encoder(fr_workload *work, fr_assumptions *assumptions)
{
    const fr_config *config = work->config;
    if (config->encoder.init == FR_INIT_RANDOM) {
        fr_encoder_shape_fresh(&work->shape, config, config->encoder.vocabulary);
        return FR_OK;
    }
    char *folder = config->encoder.path[0] ? fr_strdup(config->encoder.path) : fr_encoder_default_folder();
    fr_status status = FR_OK;
    if (fr_is_folder(folder) || config->encoder.path[0]) {
        status = fr_encoder_shape_read(&work->shape, folder, config);
    } else {
        work->shape = (fr_encoder_shape){.vocabulary = 30522,
                                         .positions = 512,
                                         .types = 2,
                                         .layers = 6,
                                         .hidden = 384,
                                         .heads = 12,
                                         .intermediate = 1536,
                                         .max_tokens = config->encoder.max_tokens ? config->encoder.max_tokens : 256,
                                         .normalize = true};
        assume(assumptions, fr_format("the encoder is all-MiniLM-L6-v2, which is not at %s yet", folder));
    }
    free(folder);
    return status;
}

/* ---- the data ---- */

static void of_synth(fr_workload *work)
{
    const fr_config *config = work->config;
    work->prompts = (double)config->synth.prompts;
    work->models = (double)config->synth.models;
    work->binary = config->synth.quality == FR_QUALITY_BINARY;
    work->tokens = cut_mean(synth_text / piece_bytes, (double)work->shape.max_tokens);
    work->description_tokens = cut_mean(synth_description_tokens, (double)work->shape.max_tokens);
    work->distinct = synth_distinct;
    work->text_bytes = synth_text + synth_description + 10;
}

/* Token ids that encoder.store left in the file, of any tokenizer. */
static fr_status stored_tokens(double *mean, fr_h5 *file, double prompts)
{
    int64_t count;
    char **name;
    FR_TRY(fr_h5_list(file, "/tokens", &count, &name));
    fr_status status = FR_OK;
    if (count > 0) {
        char *ids = fr_format("/tokens/%s/ids", name[0]);
        int rank;
        int64_t shape[8];
        status = fr_h5_shape(file, ids, &rank, shape);
        if (status == FR_OK && rank == 1)
            *mean = (double)shape[0] / prompts;
        free(ids);
    }
    fr_h5_texts_free(name, count);
    return status;
}

static fr_status of_file(fr_workload *work, fr_assumptions *assumptions)
{
    const char *path = work->config->data.file;
    fr_h5 *file;
    /* The checksum is that of a whole file which may be large: whoever runs it will verify it. */
    FR_TRY(fr_h5_open_verified(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    int rank;
    int64_t shape[8], count;
    int8_t *split = NULL;
    fr_status status = fr_h5_shape(file, "/quality", &rank, shape);
    if (status == FR_OK && rank != 2)
        status = fr_fail(FR_FAILED, "%s: /quality has %d dimensions, want (prompts, models)", path, rank);
    if (status == FR_OK)
        status = fr_h5_read_new(file, "/prompts/split", FR_H5_I8, 1, &count, (void **)&split);
    if (status == FR_OK) {
        work->prompts = (double)shape[0];
        work->models = (double)shape[1];
        for (int64_t i = 0; i < count; i++) {
            work->dev += split[i] == FR_SPLIT_DEV;
            work->test += split[i] == FR_SPLIT_TEST;
        }
        work->tokens = NAN;
        status = stored_tokens(&work->tokens, file, work->prompts);
    }
    free(split);
    fr_h5_close(file);
    FR_TRY(status);
    if (isnan(work->tokens)) {
        work->tokens = cut_mean(usual_tokens, (double)work->shape.max_tokens);
        assume(assumptions, fr_format("%.0f tokens a prompt after cutting, %.0f a description: %s was not tokenised "
                                      "(--tokens, --description-tokens)",
                                      work->tokens, usual_description_tokens, path));
    }
    return FR_OK;
}

static void of_import(fr_workload *work, fr_assumptions *assumptions)
{
    work->prompts = NAN;
    work->models = 11;
    work->tokens = cut_mean(usual_tokens, (double)work->shape.max_tokens);
    assume(assumptions, fr_format("%s is not counted before it is imported: --prompts N says how many there are",
                                  work->config->data.import[0] ? work->config->data.import : "the data"));
    assume(assumptions, fr_format("11 models (--models); %.0f tokens a prompt after cutting, %.0f a description "
                                  "(--tokens, --description-tokens)",
                                  work->tokens, usual_description_tokens));
}

static void apply_given(fr_workload *work, const fr_plan_sizes *given)
{
    if (!isnan(given->models))
        work->models = given->models;
    if (!isnan(given->tokens))
        work->tokens = given->tokens;
    if (!isnan(given->description_tokens))
        work->description_tokens = given->description_tokens;
}

fr_status fr_workload_of(fr_workload *work, fr_assumptions *assumptions, const fr_config *config,
                         const fr_plan_sizes *given)
{
    *work = (fr_workload){.config = config, .distinct = 1, .binary = true};
    FR_TRY(read_encoder(work, assumptions));
    work->description_tokens = usual_description_tokens;
    work->text_bytes = piece_bytes * (usual_tokens + usual_description_tokens) + 10;
    if (config->data.file[0])
        FR_TRY(of_file(work, assumptions));
    else if (config->synth.prompts > 0)
        of_synth(work);
    else
        of_import(work, assumptions);
    apply_given(work, given);
    work->candidates =
        config->discover.coverage >= 1 || mean_candidates > work->models ? work->models : mean_candidates;
    double prompts = isnan(given->prompts) ? work->prompts : given->prompts;
    bool own_splits = config->data.file[0] != 0;
    fr_workload base = *work;
    if (!own_splits)
        base.prompts = 0;
    if (isnan(prompts)) {
        work->prompts = NAN;
        return FR_OK;
    }
    *work = fr_workload_scaled(&base, prompts, given);
    if (isnan(given->tasks) && config->discover.method == FR_TASKS_LEIDEN)
        assume(assumptions,
               fr_format("a task for every %.0f training prompts, at least %.0f and at most %.0f (--tasks)",
                         prompts_per_task, least_tasks, most_tasks));
    return FR_OK;
}
