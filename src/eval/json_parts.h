/* json_parts.h - the larger objects of metrics.json. */
#ifndef FR_EVAL_JSON_PARTS_H
#define FR_EVAL_JSON_PARTS_H

#include "eval/internal.h"
#include "eval/json.h"

json_t *fr_router_json(const fr_result *result, const fr_dataset *data);
json_t *fr_calibration_json(const fr_run_trust *trust); /* NULL: null, as below */
json_t *fr_classifier_json(const fr_run_trust *trust);

#endif
