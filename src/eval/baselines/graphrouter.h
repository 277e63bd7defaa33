/* graphrouter.h - the parts of GraphRouter that its tests look at. */
#ifndef FR_EVAL_GRAPHROUTER_H
#define FR_EVAL_GRAPHROUTER_H

#include "learner.h"

typedef struct fr_graphrouter fr_graphrouter;

/* From fr_learner_begin to initial values; fills `how`, whose model fr_graphrouter_close frees before the learner is
 * closed. */
void fr_graphrouter_open(fr_learner *learner, fr_learning *how, const fr_eval_input *input);
void fr_graphrouter_close(void *model);

/* Is the edge of this row and model held out of the graph of this step? */
bool fr_graphrouter_held(const fr_graphrouter *model, int64_t row, int64_t m, int64_t step);

/* LLM nodes (M, graphrouter.hidden) of the last graph: of a step, or of the training prompts. */
const double *fr_graphrouter_nodes(const fr_graphrouter *model);

#endif
