/* The page in a browser: on a phone as on a wide screen nothing reaches past the window's edge, no setting is cut off,
 * and the text of the figures can be read. Chromium lays it out; without one there is nothing to see. */
#include "report/html.h"
#include "report_run.h"

#include <sys/wait.h>

enum { PHONE = 390, SMALL_PHONE = 320, LAPTOP = 1280, EXTRA = 9 };

/* A window of its own for a page and what is planted at its end. */
static void add_window(fr_buffer *out, const char *page, int width, const char *planted)
{
    fr_buffer_addf(out, "<iframe style=\"border:0;height:900px;width:%dpx\" srcdoc=\"", width);
    fr_html_text(out, page);
    fr_html_text(out, planted);
    fr_buffer_addf(out, "\"></iframe>\n");
}

/* Opens all tasks, so that what is in them is laid out, too, and writes what it measured in every window as {width of
 * the page, cut off settings, smallest text in a figure}. */
static const char *const measure =
    "<pre id=\"seen\"></pre><script>onload=function(){var out='';"
    "document.querySelectorAll('iframe').forEach(function(f){var d=f.contentDocument,cut=0,least=1e9;"
    "d.querySelectorAll('details').forEach(function(e){e.open=true});"
    "d.querySelectorAll('small').forEach(function(e){if(e.scrollWidth>e.clientWidth)cut++});"
    "d.querySelectorAll('svg').forEach(function(s){var zoom=s.getBoundingClientRect().width/s.viewBox.baseVal.width;"
    "s.querySelectorAll('text').forEach(function(t){"
    "least=Math.min(least,zoom*parseFloat(getComputedStyle(t).fontSize))})});"
    "out+='{'+d.documentElement.scrollWidth+' '+cut+' '+least.toFixed(2)+'}'});"
    "document.getElementById('seen').textContent='SEEN '+out}</script>";

/* What the browser makes of the file: its document, or NULL where there is no browser that runs. */
static char *browse(const char *path, const char *profile)
{
    char *command = fr_format(
        "for browser in chromium chromium-browser google-chrome; do\n"
        "  command -v $browser > /dev/null || continue\n"
        "  timeout 60 $browser --headless --hide-scrollbars --no-sandbox --disable-gpu --disable-dev-shm-usage"
        " --user-data-dir='%s' --window-size=1400,1000 --dump-dom file://%s 2> /dev/null\n"
        "  state=$?; rm -rf '%s'; exit $state\n"
        "done; exit 1",
        profile, path, profile);
    fr_buffer out = {0};
    char piece[4096];
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t got; (got = fread(piece, 1, sizeof piece, pipe)) > 0;)
        fr_buffer_add(&out, piece, got);
    int state = pclose(pipe);
    free(command);
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        return out.data;
    fr_buffer_close(&out);
    return NULL;
}

static void fits(void **state)
{
    (void)state;
    static const int widths[] = {PHONE, SMALL_PHONE, LAPTOP, PHONE};
    char *folder = fr_strdup(test_folder()), *path = fr_path_join(folder, "windows.html"),
         *profile = fr_path_join(folder, "profile"), *page, *seen;
    fr_buffer windows = {0};
    write_run(folder, .001, EXTRA);
    page = report(folder, "A title");
    fr_buffer_addf(&windows, "<!DOCTYPE html><meta charset=\"utf-8\">%s", measure);
    for (int w = 0; w < 4; w++)
        add_window(&windows, page, widths[w],
                   w < 3 ? ""
                         : "<div style=\"width:500px\">wide</div><small style=\"display:block;width:20px;"
                           "overflow:hidden\">unbreakable</small>");
    assert_ok(fr_file_write(path, windows.data, windows.bytes));
    char *document = browse(path, profile);
    fr_buffer_close(&windows);
    free(page);
    free(folder);
    free(path);
    free(profile);
    if (!document)
        skip();

    seen = strstr(document, ">SEEN ");
    assert_non_null(seen);
    for (int w = 0; w < 4; w++) {
        int width, cut;
        double least;
        seen = strchr(seen + 1, '{');
        assert_non_null(seen);
        assert_int_equal(sscanf(seen, "{%d %d %lf}", &width, &cut, &least), 3);
        print_message("window of %d: page of %d, %d settings cut, smallest text of a figure %g pixels\n", widths[w],
                      width, cut, least);
        if (w < 3) {
            assert_int_equal(width, widths[w]);
            assert_int_equal(cut, 0);
            assert_true(least >= (widths[w] == SMALL_PHONE ? 8 : 10)); /* 1e9: no figure was drawn */
        } else {                                                       /* planted faults are seen */
            assert_true(width >= 500);
            assert_int_equal(cut, 1);
        }
    }
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
