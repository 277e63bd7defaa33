/* finerouter/report.h - one self-contained HTML page of a run: no network, no scripts, all figures inline. */
#ifndef FINEROUTER_REPORT_H
#define FINEROUTER_REPORT_H

#include "finerouter/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes <folder>/report.html from the files of a run folder: metrics.json, and where they are there cards.json (task
 * explorer, see fr_cards_write) and config.yaml. title "" or NULL: the folder's name.
 *
 * Figures by gnuplot (no display needed; scripts and SVG are kept under <folder>/figures): cost-quality curves with the
 * single models as points, quality by source, task sizes, candidates per task. Without gnuplot on the machine the page
 * has its tables, and says so. Everything that comes from files is escaped. */
FR_NODISCARD fr_status fr_report_write(const char *folder, const char *title);

#ifdef __cplusplus
}
#endif
#endif
