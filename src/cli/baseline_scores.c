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

fr_status fr_baseline_scores(fr_scores *scores, double *seconds, bool *reused, const fr_baseline *baseline,
                             const fr_run *run, const fr_dataset *data, const fr_texts *texts, const float *general,
                             fr_clusterings **clusterings)
{
    double start = fr_seconds();
    fr_key key = FR_KEY(baseline->name, baseline->version, run->config, "B", run->device, data->hash, texts->key.hex);
    char *stage = fr_format("router-%s", baseline->name), *path = fr_cache_path(run->cache, stage, key, ".h5");
    *reused = baseline->version > 0 && fr_file_exists(path);
    fr_comm_broadcast(reused, sizeof *reused, 0);
    fr_status status = *reused ? read_scores(scores, baseline->name, data, path)
                               : make_scores(scores, baseline, run, data, texts, general, clusterings);
    if (status == FR_OK && baseline->version > 0 && !*reused && fr_is_root())
        status = write_scores(scores, path);
    *seconds = *reused ? 0 : fr_seconds() - start;
    free(stage);
    free(path);
    return status;
}
