/* finerouter/router.h - a trained router as one file, and routing of new prompts.
 *
 * router.h5, format 1 ("finerouter-router"):
 *   attributes: theta, alpha, encoder (folder), encoder_hash, d, T, M
 *   /config                      the resolved configuration, YAML text
 *   /models/{name, input_usd_per_mtok, output_usd_per_mtok, expected_cost (M) float64: mean USD of a training answer, NaN unknown}
 *   /tasks/{name, candidates (T, M) uint8}, /stage1 (T + 1, M) float32, last row Others
 *   /classifier/<parameter>, /estimator/<parameter>, /task_heads/<t>/<parameter>    every parameter under its name:
 *       trunk    h = projection x for the embedding x of a frozen encoder (no such parameter: h = x); a trained encoder
 *                under its Hugging Face names, its pooled output is h
 *       classifier    logits[t] = matcher.s h^T matcher.W matcher.e[t] + matcher.b[t]
 *       estimator     z[m] = w1[m] h + wu[m] llm_embedding[m] + b1[m], w1 (M H, d), wu (M, H, U), b1 (M, H), under
 *                     "general."; estimate = z (linear heads, H = 1), else w2[m] . gelu(z[m]) + b2[m]
 *       task heads    the same without "general.", a row per candidate of the task
 *
 * embeddings.h5 beside it, format 1 ("finerouter-embeddings"), rows of the data file, attribute encoder (folder):
 *   /prompt, /description (N, d) float32     of the untrained encoder; where there is no description, the prompt's
 *   /hidden (N, d) float32                   the estimator's h, which its heads read; not there before training
 */
#ifndef FINEROUTER_ROUTER_H
#define FINEROUTER_ROUTER_H

#include "finerouter/status.h"

#include <stdint.h>

typedef struct fr_router fr_router;

/* Loads a router and the text encoder it was trained on. folder_or_file: a run folder, or router.h5 itself. encoder: folder that stands in for the recorded one (its content
 * must be the same), or NULL. Errors: no such file, foreign or truncated file, encoder gone or changed. */
FR_NODISCARD fr_status fr_router_open(fr_router **router, const char *folder_or_file, const char *encoder);
void fr_router_close(fr_router *router);

int64_t fr_router_models(const fr_router *router);
int64_t fr_router_tasks(const fr_router *router);
const char *fr_router_model_name(const fr_router *router, int64_t m);
const char *fr_router_task_name(const fr_router *router, int32_t t); /* "Others" for -1 */
double fr_router_cost(const fr_router *router, int64_t m);           /* expected USD of an answer, NaN unknown */

/* Changes of the trained setting: share of stage 2, and the cost rule's tolerance. FR_USAGE outside [0, 1]. */
FR_NODISCARD fr_status fr_router_set(fr_router *router, double alpha, double tolerance);
double fr_router_alpha(const fr_router *router);
double fr_router_tolerance(const fr_router *router);

/* Decisions for n prompts; arrays of the caller. */
typedef struct fr_decisions {
    int32_t *task;       /* (n) -1 none */
    float *probability;  /* (n) of the best task, NaN when there is no task */
    float *s1, *s2, *score; /* (n, M) */
    int32_t *ranking;    /* (n, M) best first */
    int32_t *choice;     /* (n) by the cost rule; ranking's first when tolerance is 0 */
} fr_decisions;

void fr_decisions_create(fr_decisions *decisions, const fr_router *router, int64_t n);
void fr_decisions_close(fr_decisions *decisions);

/* text (n): UTF-8, not empty. */
FR_NODISCARD fr_status fr_router_route(fr_router *router, fr_decisions *decisions, const char *const *text, int64_t n);

#endif
