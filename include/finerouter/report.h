/* finerouter/report.h - one self-contained HTML page of a run or of several: no network, all figures inline, and
 * nothing that needs its few lines of script. */
#ifndef FINEROUTER_REPORT_H
#define FINEROUTER_REPORT_H

#include "finerouter/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes <folder>/report.html from the files of a run folder: metrics.json, and where they are there cards.json (task
 * explorer, see fr_cards_write), environment.json and config.yaml; or from a sweep's sweep.json. title "" or NULL: the
 * folder's name.
 *
 * Figures by gnuplot (no display needed; scripts, SVG and PDF are kept under figures/ beside the page): cost-quality
 * curves with the single models as points, recall, calibration, ablations, tasks, sweeps. Without gnuplot on the
 * machine the page has its tables, and says so. What the files do not hold is left out. Everything that comes from
 * files is escaped. */
FR_NODISCARD fr_status fr_report_write(const char *folder, const char *title);

/* One page over `count` >= 1 such folders: with several, a comparison and then each run's own sections behind a tab.
 * out: the page to write, whose folder is made; NULL: <folder>/report.html for one, report.html for several. */
FR_NODISCARD fr_status fr_report_write_all(const char *const *folders, size_t count, const char *out,
                                           const char *title);

#ifdef __cplusplus
}
#endif
#endif
