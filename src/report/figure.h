/* figure.h - SVG drawn by gnuplot, without a display and without a shell. */
#ifndef FR_REPORT_FIGURE_H
#define FR_REPORT_FIGURE_H

#include "base/memory.h"

#include <stdbool.h>

#define FR_INK "#212529" /* text and axes; follows the page's text colour inside the page */
#define FR_PALETTE 12

/* Colour of series number i: legible on light and on dark ground. */
const char *fr_figure_colour(int64_t i);

/* Adds a single-quoted gnuplot string: no escapes, no command substitution. Control characters become spaces, markup
 * characters similar ones; cut after `most` characters' width. */
void fr_figure_text(fr_buffer *script, const char *text, int most);

typedef struct fr_figure_size {
    int width, height, left, right, top, bottom; /* pixels; the last four are margins of the plot area */
} fr_figure_size;

/* Before fr_figure_begin: how many series the plot names by `title`. The page's figure has its legend beside it; the
 * PDF gets one below the plot, in two columns: keep the names near 24 characters. */
void fr_figure_entries(fr_buffer *script, int entries);

/* Opens a script: terminal, plot area, axes in ink (a variable of the script: FR_INK, black in the PDF), light grid,
 * titles of the axes (ours: no quotes in them) or NULL. */
void fr_figure_begin(fr_buffer *script, fr_figure_size size, const char *x, const char *y);

/* A step of 1, 2 or 5 times a power of ten that goes two to five times into the width of an axis. */
double fr_figure_step(double width);

/* Runs the script, keeps it and the picture as <folder>/figures/<name>.gp, .svg and .pdf (where gnuplot has pdfcairo),
 * and returns the picture for a page: an svg element whose ids carry the name, ink as currentColor. NULL when gnuplot
 * is missing or failed. Closes script. Labels at `screen` heights must use the script's up(pixels above the bottom). */
char *fr_figure_draw(fr_buffer *script, const char *folder, const char *name, const char *title);

/* Adds a figure on a card to a page and releases it; nothing and false for NULL. heading and legend (markup) may be
 * NULL. */
bool fr_figure_add(fr_buffer *page, char *svg, const char *heading, const char *caption, const char *legend);

/* Whether gnuplot can be started. */
bool fr_figure_possible(void);

#endif
