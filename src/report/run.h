/* run.h - a run folder's files in memory, and the parts of the page made from them. */
#ifndef FR_REPORT_RUN_H
#define FR_REPORT_RUN_H

#include "base/memory.h"
#include "finerouter/status.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct report_run {
    const char *folder, *name; /* name: what the page calls it */
    json_t *metrics;           /* metrics.json; NULL: a sweep alone */
    json_t *cards;             /* cards.json, or NULL */
    json_t *sweep;             /* sweep.json, or NULL */
    json_t *environment;       /* environment.json, or NULL */
    char *config;              /* config.yaml, or NULL */
    bool drawing;              /* gnuplot is there */
    const char *beside;        /* folder of the page: its figures/ takes the pictures */
    char prefix[24];           /* of ids and of names of figures: "", or "run2-" where runs share a page */
    fr_buffer nav;             /* links to the sections there are */
} report_run;

/* A number below object (names by '/'), NaN for null, other types and what is not there. */
double fr_report_number(const json_t *object, const char *path);
/* A text, "" where there is none. */
const char *fr_report_text(const json_t *object, const char *path);
/* What is there, NULL for nothing. */
json_t *fr_report_find(const json_t *object, const char *path);
/* Any value as a text; malloc'd. */
char *fr_report_value_text(const json_t *value);
/* A number of an object's member, whose name may hold anything. */
double fr_report_member(const json_t *object, const char *name);

bool fr_report_is_bound(const char *router); /* oracle, dataset_oracle */
bool fr_report_competes(const char *router); /* no bound, and neither cheapest nor random */

typedef struct report_router {
    const char *name;
    const json_t *json;
    double quality;
    bool bound;
    int64_t position; /* in the file */
} report_router;

/* The routers by falling quality, unknown qualities after them, bounds last; free(*list). */
size_t fr_report_ranking(report_router **list, const json_t *metrics);

/* Opens a section: its heading, and its link in the run's navigation. */
void fr_report_section(fr_buffer *page, report_run *run, const char *id, const char *heading);
/* Draws a figure of this run; NULL without gnuplot, and then the script is closed all the same. */
char *fr_report_draw(const report_run *run, fr_buffer *script, const char *name, const char *title);
/* A name that may be broken after each underscore, so that columns can be narrow. */
void fr_report_column_name(fr_buffer *page, const char *name);
/* "+0.0123 [-0.0010, +0.0300]" and its interval on a bar around zero that spans `reach` to either side, as one cell. */
void fr_report_difference(fr_buffer *page, const json_t *router, double reach);
/* The farthest end of these routers' intervals from zero. */
double fr_report_reach(const report_router *list, size_t count);

/* Figures as svg elements, NULL where there is nothing to draw. */
char *fr_report_curves(const report_run *run, bool zoom,
                       fr_buffer *legend); /* zoom: the upper part, without oracles; adds its legend */
char *fr_report_sizes(const report_run *run);
char *fr_report_candidates(const report_run *run); /* NULL, too, where all tasks have equally many */
char *fr_report_cohesion(const report_run *run);

/* Sections of the page; each adds nothing where the run has no data for it. */
void fr_report_tiles(fr_buffer *page, const report_run *run);
void fr_report_headline(fr_buffer *page, report_run *run);
void fr_report_figures(fr_buffer *page, report_run *run);
void fr_report_ablations(fr_buffer *page, report_run *run);
void fr_report_sources(fr_buffer *page, report_run *run);
void fr_report_recall(fr_buffer *page, report_run *run);
void fr_report_families(fr_buffer *page, report_run *run);
void fr_report_calibration(fr_buffer *page, report_run *run);
void fr_report_tasks(fr_buffer *page, report_run *run);
void fr_report_sweep(fr_buffer *page, report_run *run);
void fr_report_facts(fr_buffer *page, report_run *run);

/* What several runs have side by side. */
void fr_report_comparison(fr_buffer *page, report_run *all, const report_run *runs, size_t count);
void fr_report_config_differences(fr_buffer *page, report_run *all, const report_run *runs, size_t count);

extern const char fr_report_style[], fr_report_script[];

#endif
