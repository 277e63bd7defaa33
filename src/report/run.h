/* run.h - a run folder's files in memory, and the parts of the page made from them. */
#ifndef FR_REPORT_RUN_H
#define FR_REPORT_RUN_H

#include "base/memory.h"
#include "finerouter/status.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct report_run {
    const char *folder;
    json_t *metrics;
    json_t *cards; /* NULL: the run has none */
    char *config;  /* YAML, or NULL */
    bool drawing;  /* gnuplot is there */
} report_run;

/* A number below object (names by '/'), NaN for null, other types and what is not there. */
double fr_report_number(const json_t *object, const char *path);
/* A text, "" where there is none. */
const char *fr_report_text(const json_t *object, const char *path);
bool fr_report_is_bound(const char *router); /* oracle, dataset_oracle */
bool fr_report_competes(const char *router); /* no bound, and neither cheapest nor random */

/* Figures as svg elements, NULL where there is nothing to draw. */
char *fr_report_curves(const report_run *run, bool zoom,
                       fr_buffer *legend); /* zoom: the upper part, without oracles; adds its legend */
char *fr_report_sizes(const report_run *run);
char *fr_report_candidates(const report_run *run); /* NULL, too, where all tasks have equally many */

/* Sections of the page. */
void fr_report_headline(fr_buffer *page, const report_run *run);
void fr_report_figures(fr_buffer *page, const report_run *run);
void fr_report_sources(fr_buffer *page, const report_run *run);
void fr_report_tasks(fr_buffer *page, const report_run *run);
void fr_report_task_facts(fr_buffer *page, const report_run *run);
void fr_report_facts(fr_buffer *page, const report_run *run);

extern const char fr_report_style[];

#endif
