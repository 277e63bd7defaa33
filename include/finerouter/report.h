/* finerouter/report.h - one self-contained HTML page of a run: no network, all figures inline. */
#ifndef FINEROUTER_REPORT_H
#define FINEROUTER_REPORT_H

#include "finerouter/config.h"
#include "finerouter/eval.h"
#include "finerouter/status.h"

/* Writes <folder>/report.html from the files of a run folder: metrics.json, tasks.h5, cards.md, config.yaml. Figures by gnuplot (SVG, also kept under <folder>/figures): cost-quality curves with the single
 * models as points, task sizes, quality per source, candidates per task. Without gnuplot on the machine the page has its tables, and says so. */
FR_NODISCARD fr_status fr_report_write(const char *folder, const char *title);

#endif
