#include "model_file.h"

#include "base/memory.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

static fr_status transfer(fr_param *param, fr_h5 *file, const char *name, bool save)
{
    float *host = FR_NEW(float, fr_tensor_count(&param->value));
    fr_status status;
    if (save) {
        fr_tensor_get(param->value, host);
        status = fr_h5_write(file, name, FR_H5_F32, param->value.rank, param->value.shape, host);
    } else {
        status = fr_h5_read(file, name, FR_H5_F32, param->value.rank, param->value.shape, host);
        if (status == FR_OK) {
            fr_tensor_set(param->value, host);
            int64_t bad = fr_find_nonfinite(param->value);
            if (bad >= 0)
                status = fr_fail(FR_FAILED, "%s: %s: element %lld is %g, want a finite number", fr_h5_path(file), name,
                                 (long long)bad, host[bad]);
        }
    }
    free(host);
    return status;
}

static fr_status transfer_all(const fr_params *params, fr_h5 *file, const char *group, const char *skip, bool save)
{
    for (int64_t i = 0; i < params->count; i++) {
        if (skip && strcmp(params->item[i].name, skip) == 0)
            continue;
        char *name = fr_format("%s/%s", group, params->item[i].name);
        fr_status status = transfer(&params->item[i], file, name, save);
        free(name);
        FR_TRY(status);
    }
    return FR_OK;
}

fr_status fr_params_save(const fr_params *params, fr_h5 *file, const char *group, const char *skip)
{
    return transfer_all(params, file, group, skip, true);
}

fr_status fr_params_restore(fr_params *params, fr_h5 *file, const char *group, const char *skip)
{
    FR_TRY(transfer_all(params, file, group, skip, false));
    fr_params_refresh(params);
    return FR_OK;
}
