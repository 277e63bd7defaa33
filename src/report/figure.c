/* See figure.h. gnuplot is started directly, so that no name in a script or path ever meets a shell. */
#include "report/figure.h"

#include "base/files.h"
#include "eval/json.h"
#include "report/html.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

const char *fr_figure_colour(int64_t i)
{
    static const char *const colour[FR_PALETTE] = {"#4477aa", "#ee6677", "#228833", "#b8860b", "#40b0d8", "#aa3377",
                                                   "#888888", "#ee7733", "#009988", "#7b6fd0", "#cc3311", "#a0522d"};
    return colour[i % FR_PALETTE];
}

void fr_figure_text(fr_buffer *script, const char *text, int most)
{
    fr_buffer clean = {0};
    int characters = 0;
    fr_utf8_clean(&clean, text);
    fr_buffer_add(script, "'", 1);
    for (const char *c = clean.data; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if ((byte & 0xC0) != 0x80)
            characters += byte >= 0xE3 ? 2 : 1; /* Asian characters and emoji are as wide as two */
        if (characters > most) {
            fr_buffer_add(script, "\xE2\x80\xA6", 3); /* ellipsis */
            break;
        }
        if (byte < 0x20 || byte == 0x7F)
            fr_buffer_add(script, " ", 1);
        else if (byte == '<')
            fr_buffer_add(script, "\xE2\x80\xB9", 3); /* single angle quotes */
        else if (byte == '>')
            fr_buffer_add(script, "\xE2\x80\xBA", 3);
        else if (byte == '&')
            fr_buffer_add(script, "+", 1);
        else if (byte == '\'')
            fr_buffer_add(script, "''", 2);
        else
            fr_buffer_add(script, c, 1);
    }
    fr_buffer_add(script, "'", 1);
    fr_buffer_close(&clean);
}

void fr_figure_entries(fr_buffer *script, int entries)
{
    fr_buffer_addf(script, "entries = %d\n", entries);
}

/* Both terminals run the same script: gnuplot -e 'pdf = 1' makes the PDF, where the ink is black and a legend of
 * `entries` names stands below the plot, `extra` pixels high; up(v): v pixels above the bottom of the figure without
 * it. Titles of axes are labels at fixed places: gnuplot drops or cuts its own where it finds given margins too small.
 */
void fr_figure_begin(fr_buffer *script, fr_figure_size size, const char *x, const char *y)
{
    double w = size.width, h = size.height;
    fr_buffer_addf(
        script,
        "set encoding utf8\n"
        "if (!exists('pdf')) pdf = 0\n"
        "if (!exists('entries')) entries = 0\n"
        "ink = pdf ? '#000000' : '" FR_INK "'\n"
        "extra = pdf && entries > 0 ? 8 + 18 * ceil(entries / 2.) : 0\n"
        "up(v) = (v + extra) / (%d. + extra)\n"
        "if (pdf) { set terminal pdfcairo size %d / 72., (%d + extra) / 72. noenhanced "
        "font 'sans-serif,14' fontscale 1 rounded } "
        "else { set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,14' rounded }\n"
        "set margins screen %.5f, screen %.5f, screen up(%d), screen up(%d)\n"
        "set border 3 linecolor rgb ink linewidth 1\n"
        "set tics nomirror out scale .4 font ',14' textcolor rgb ink\n"
        "set grid linecolor rgb '#999999' linewidth .4 dashtype 3\n"
        "unset key\n"
        "if (extra) { set key horizontal center top at screen .5, screen extra / (%d. + extra) maxcols 2 Left reverse "
        "samplen 2 font ',12' textcolor rgb ink }\n",
        size.height, size.width, size.height, size.width, size.height, size.left / w, 1 - size.right / w, size.bottom,
        size.height - size.top, size.height);
    if (x)
        fr_buffer_addf(script, "set label '%s' at screen %.5f, screen up(14) center textcolor rgb ink\n", x,
                       (size.left + w - size.right) / (2 * w));
    if (y)
        fr_buffer_addf(script, "set label '%s' at screen %.5f, screen up(%.1f) center rotate by 90 textcolor rgb ink\n",
                       y, 14 / w, (size.bottom + h - size.top) / 2);
}

double fr_figure_step(double width)
{
    double power = pow(10, floor(log10(width))), lead = width / power;
    return power * (lead >= 5 ? 2 : lead >= 2 ? 1 : .5);
}

/* Runs gnuplot; its output goes to the file `output`, its complaints nowhere. arguments: up to three, NULL at the end.
 */
static bool run_gnuplot(const char *const *argument, const char *output)
{
    char *arguments[5] = {(char *)"gnuplot"};
    posix_spawn_file_actions_t files;
    pid_t child;
    int state = 1;
    for (int i = 0; i < 3 && argument[i]; i++)
        arguments[i + 1] = (char *)argument[i];
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool started = posix_spawnp(&child, "gnuplot", &files, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&files);
    return started && waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

bool fr_figure_possible(void)
{
    return run_gnuplot((const char *const[]){"--version", NULL}, "/dev/null");
}

/* text with every `from` replaced by `to`; frees text. */
static char *replace(char *text, const char *from, const char *to)
{
    fr_buffer out = {0};
    const char *rest = text;
    for (const char *hit; (hit = strstr(rest, from)); rest = hit + strlen(from)) {
        fr_buffer_add(&out, rest, (size_t)(hit - rest));
        fr_buffer_add(&out, to, strlen(to));
    }
    fr_buffer_add(&out, rest, strlen(rest));
    free(text);
    return out.data;
}

/* What stands in a page: no XML prologue, no name spaces (HTML knows them), ids of its own. */
static char *for_page(const char *svg, const char *name, const char *title)
{
    const char *start = strstr(svg, "<svg");
    if (!start)
        return NULL;
    fr_buffer heading = {0};
    fr_html_add(&heading, "<title>%s</title>", title);
    char *prefix = fr_format("%s-", name), *point = fr_format("%s-pt", name), *dot = fr_format("%s-dot", name);
    char *box = fr_format("id='%s-textbox'", name), *grey = fr_format("id='%s-greybox'", name);
    const char *const change[][2] = {
        {"xmlns=\"http://www.w3.org/2000/svg\"", "role=\"img\""},
        {"xmlns:xlink=\"http://www.w3.org/1999/xlink\"", ""},
        {"<title>Gnuplot</title>", heading.data},
        {"gnuplot_", prefix},
        {"gpPt", point},
        {"gpDot", dot},
        {"id='textbox'", box},
        {"id='greybox'", grey},
        {"rgb( 33,  37,  41)", "currentColor"},
        {"rgb(33,37,41)", "currentColor"},
        {" color=\"black\"", ""}, /* would be the currentColor of the whole group */
    };
    char *page = fr_strdup(start);
    for (size_t i = 0; i < sizeof change / sizeof *change; i++)
        page = replace(page, change[i][0], change[i][1]);
    free(prefix);
    free(point);
    free(dot);
    free(box);
    free(grey);
    fr_buffer_close(&heading);
    return page;
}

/* Runs a script into the file `path`, which appears whole or not at all. */
static bool draw_into(const char *path, const char *script, bool pdf)
{
    const char *const svg_arguments[] = {script, NULL}, *const pdf_arguments[] = {"-e", "pdf = 1", script, NULL};
    char *temporary;
    if (fr_replace_begin(&temporary, path) != FR_OK)
        return false;
    if (run_gnuplot(pdf ? pdf_arguments : svg_arguments, temporary))
        return fr_replace_end(temporary, path) == FR_OK;
    fr_replace_cancel(temporary);
    return false;
}

char *fr_figure_draw(fr_buffer *script, const char *folder, const char *name, const char *title)
{
    char *figures = fr_path_join(folder, "figures"), *page = NULL, *svg = NULL;
    char *script_path = fr_format("%s/%s.gp", figures, name), *picture_path = fr_format("%s/%s.svg", figures, name),
         *print_path = fr_format("%s/%s.pdf", figures, name);
    size_t bytes;
    if (fr_make_folders(figures) == FR_OK && fr_file_write(script_path, script->data, script->bytes) == FR_OK &&
        draw_into(picture_path, script_path, false) && fr_file_read(&svg, &bytes, picture_path, 0) == FR_OK) {
        page = for_page(svg, name, title);
        draw_into(print_path, script_path, true); /* a gnuplot built without Cairo still has the picture */
    }
    free(svg);
    free(figures);
    free(script_path);
    free(picture_path);
    free(print_path);
    fr_buffer_close(script);
    return page;
}

bool fr_figure_add(fr_buffer *page, char *svg, const char *heading, const char *caption, const char *legend)
{
    if (!svg)
        return false;
    fr_buffer_addf(page, "<div class=\"card\"><figure>");
    if (heading)
        fr_html_add(page, "<h3>%s</h3>", heading);
    fr_buffer_add(page, svg, strlen(svg));
    if (legend)
        fr_buffer_add(page, legend, strlen(legend));
    fr_html_add(page, "<figcaption>%s</figcaption></figure></div>\n", caption);
    free(svg);
    return true;
}
