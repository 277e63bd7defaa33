#include "baseline_scores.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "io/h5.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT "finerouter-scores"
#define VERSION 1

static fr_status make_scores(fr_scores *scores, const fr_baseline *baseline, const fr_run *run, const fr_dataset *data,
                             const fr_texts *texts, const float *general, fr_clusterings **clusterings)
{
    fr_training training = fr_run_training(run, run->config, data, texts);
    training.tokens = &texts->tokens; /* a router may train the encoder though the run leaves it frozen */
    fr_eval_input input = {.config = run->config,
                           .data = data,
                           .device = run->device,
                           .embedding = texts->prompt,
                           .d = texts->d,
                           .general = general,
                           .training = &training,
                           .clusterings = clusterings};
    fr_status status = baseline->score(scores, &input);
    if (status == FR_INTERRUPTED)
        return status;
    return fr_fail_within(status, "router %s", baseline->name);
}

static fr_status read_scores(fr_scores *scores, const char *name, const fr_dataset *data, const char *path)
{
    const int64_t shape[2] = {data->N, data->M};
    char *setting = NULL;
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, FORMAT, VERSION));
    *scores = (fr_scores){.name = name, .N = data->N, .M = data->M, .score = FR_NEW(float, data->N * data->M)};
    fr_status status;
    FR_TRY_GOTO(fr_h5_get_text(file, "setting", &setting), done);
    snprintf(scores->setting, sizeof scores->setting, "%s", setting);
    FR_TRY_GOTO(fr_h5_read(file, "/score", FR_H5_F32, 2, shape, scores->score), done);
    if (fr_h5_has(file, "/tie")) {
        scores->tie = FR_NEW(float, data->N * data->M);
        FR_TRY_GOTO(fr_h5_read(file, "/tie", FR_H5_F32, 2, shape, scores->tie), done);
    }
done:
    free(setting);
    fr_h5_close(file);
    return status;
}

static fr_status write_scores(const fr_scores *scores, const char *path)
{
    FR_CHECK(scores->score && !scores->expectation && !scores->reference, "%s learns, yet gives no scores of its own",
             scores->name);
    const int64_t shape[2] = {scores->N, scores->M};
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, FORMAT, VERSION));
    fr_status status;
    FR_TRY_GOTO(fr_h5_set_text(file, "setting", scores->setting), fail);
    FR_TRY_GOTO(fr_h5_write(file, "/score", FR_H5_F32, 2, shape, scores->score), fail);
    if (scores->tie)
        FR_TRY_GOTO(fr_h5_write(file, "/tie", FR_H5_F32, 2, shape, scores->tie), fail);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}

/* Where the scores of a router that learns are kept; malloc'd. */
static char *path_of(const fr_baseline *baseline, const fr_run *run, const fr_dataset *data, const fr_texts *texts)
{
    fr_key key = FR_KEY(baseline->name, baseline->version, run->config, "B", run->device, data->hash, texts->key.hex);
    char *stage = fr_format("router-%s", baseline->name), *path = fr_cache_path(run->cache, stage, key, ".h5");
    free(stage);
    return path;
}

/* Whether the root finds it there. */
static bool is_kept(const fr_baseline *baseline, const char *path)
{
    bool kept = baseline->version > 0 && fr_file_exists(path);
    fr_comm_broadcast(&kept, sizeof kept, 0);
    return kept;
}

fr_status fr_baseline_scores(fr_scores *scores, double *seconds, bool *reused, const fr_baseline *baseline,
                             const fr_run *run, const fr_dataset *data, const fr_texts *texts, const float *general,
                             fr_clusterings **clusterings)
{
    double start = fr_seconds();
    char *path = path_of(baseline, run, data, texts);
    *reused = is_kept(baseline, path);
    fr_status status = *reused ? read_scores(scores, baseline->name, data, path)
                               : make_scores(scores, baseline, run, data, texts, general, clusterings);
    if (status == FR_OK && baseline->version > 0 && !*reused && fr_is_root())
        status = write_scores(scores, path);
    *seconds = *reused ? 0 : fr_seconds() - start;
    free(path);
    return status;
}

/* ---- several ranks ---- */

/* A router dealt to a rank. */
typedef struct dealt {
    const fr_baseline *baseline; /* NULL: nothing to do */
    char *path;
    int owner;
    fr_scores scores;
} dealt;

static fr_status make_own(dealt *work, double *seconds, int64_t count, const fr_run *run, const fr_dataset *data,
                          const fr_texts *texts, const float *general)
{
    int me = fr_comm_rank();
    fr_status status = FR_OK;
    for (int64_t i = 0; i < count && status == FR_OK; i++) {
        if (!work[i].baseline || work[i].owner != me)
            continue;
        double start = fr_seconds();
        fr_comm_apart(true);
        status = fr_interrupt_wanted()
                     ? fr_interrupted()
                     : make_scores(&work[i].scores, work[i].baseline, run, data, texts, general, NULL);
        fr_comm_apart(false);
        seconds[i] = fr_seconds() - start;
    }
    return fr_comm_agree(status);
}

/* The owner's scores go to all, and from the root into the cache. */
static fr_status hand_over(dealt *work, double *seconds, const fr_dataset *data)
{
    fr_scores *scores = &work->scores;
    size_t bytes = (size_t)(data->N * data->M) * sizeof(float);
    bool tie = scores->tie != NULL;
    fr_comm_broadcast(seconds, sizeof *seconds, work->owner);
    fr_comm_broadcast(&tie, sizeof tie, work->owner);
    if (fr_comm_rank() != work->owner) {
        *scores = (fr_scores){.name = work->baseline->name, .N = data->N, .M = data->M, .score = fr_alloc(bytes)};
        scores->tie = tie ? fr_alloc(bytes) : NULL;
    }
    fr_comm_broadcast(scores->setting, sizeof scores->setting, work->owner);
    fr_comm_broadcast(scores->score, bytes, work->owner);
    if (tie)
        fr_comm_broadcast(scores->tie, bytes, work->owner);
    return fr_comm_agree(fr_is_root() ? write_scores(scores, work->path) : FR_OK);
}

fr_status fr_baselines_deal(double *seconds, const fr_baseline *const *baseline, int64_t count, const fr_run *run,
                            const fr_dataset *data, const fr_texts *texts, const float *general)
{
    int64_t todo = 0;
    for (int64_t i = 0; i < count; i++)
        seconds[i] = 0;
    if (fr_comm_ranks() == 1)
        return FR_OK;
    dealt *work = FR_NEW(dealt, count);
    for (int64_t i = 0; i < count; i++) {
        if (!baseline[i] || baseline[i]->version == 0 || baseline[i]->together)
            continue;
        work[i].path = path_of(baseline[i], run, data, texts);
        if (is_kept(baseline[i], work[i].path))
            continue;
        work[i].baseline = baseline[i];
        work[i].owner = (int)(todo++ % fr_comm_ranks());
    }
    fr_status status = make_own(work, seconds, count, run, data, texts, general);
    for (int64_t i = 0; i < count && status == FR_OK; i++)
        if (work[i].baseline)
            status = hand_over(&work[i], &seconds[i], data);
    for (int64_t i = 0; i < count; i++) {
        fr_scores_close(&work[i].scores);
        free(work[i].path);
    }
    free(work);
    return status;
}
