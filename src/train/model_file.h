/* model_file.h - a parameter list in an HDF5 group: one f32 dataset a parameter, under its list name. */
#ifndef FR_TRAIN_MODEL_FILE_H
#define FR_TRAIN_MODEL_FILE_H

#include "io/h5.h"
#include "nn/params.h"

/* skip: name of a parameter left out, or NULL. */
FR_NODISCARD fr_status fr_params_save(const fr_params *params, fr_h5 *file, const char *group, const char *skip);
/* Every parameter must be there in its shape, and finite. */
FR_NODISCARD fr_status fr_params_restore(fr_params *params, fr_h5 *file, const char *group, const char *skip);

#endif
