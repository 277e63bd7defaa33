/* The pages of one run, of three and of a sweep in a browser: on a phone as on a wide screen nothing reaches past the
 * window's edge, no text is cut off, and the text of the figures can be read: none is too small, lies outside its
 * figure or over another. Chromium lays it out; without one there is nothing to see. */
#include "report/html.h"
#include "report_run.h"

#include <stdbool.h>
#include <sys/wait.h>

enum { PHONE = 390, SMALL_PHONE = 320, TABLET = 768, LAPTOP = 1280, EXTRA = 9, PAGES = 3, WIDTHS = 4 };

/* A window of its own for a page and what is planted at its end. */
static void add_window(fr_buffer *out, const char *page, int width, const char *planted)
{
    fr_buffer_addf(out, "<iframe style=\"border:0;height:900px;width:%dpx\" srcdoc=\"", width);
    fr_html_text(out, page);
    fr_html_text(out, planted);
    fr_buffer_addf(out, "\"></iframe>\n");
}

/* Opens all tasks and shows one tab after the other, so that all is laid out, and writes what it measured in every
 * window as {widest page, cut off texts, smallest text in a figure, texts outside their figure, texts over others}.
 * Cut off: what its box hides and nobody can scroll to. */
static const char *const measure =
    "<pre id=\"seen\"></pre><script>onload=function(){var out='';"
    "document.querySelectorAll('iframe').forEach(function(f){var d=f.contentDocument,width=0,cut=0,least=1e9,beyond=0,"
    "over=0;"
    "function look(){width=Math.max(width,d.documentElement.scrollWidth);"
    "d.querySelectorAll('small,h1,h2,h3,label,summary,td,th,dd,dt,li,figcaption').forEach(function(e){"
    "if(e.scrollWidth>e.clientWidth+1&&e.clientWidth>0)cut++});"
    "d.querySelectorAll('svg').forEach(function(s){var all=s.getBoundingClientRect(),seen=[];if(!all.width)return;"
    "var zoom=all.width/s.viewBox.baseVal.width;"
    "s.querySelectorAll('text').forEach(function(t){"
    "least=Math.min(least,zoom*parseFloat(getComputedStyle(t).fontSize));var b=t.getBoundingClientRect();"
    "if(!b.width)return;"
    "if(b.left<all.left-1||b.right>all.right+1||b.top<all.top-1||b.bottom>all.bottom+1)beyond++;"
    "seen.forEach(function(o){if(Math.min(b.right,o.right)-Math.max(b.left,o.left)>2*zoom&&"
    "Math.min(b.bottom,o.bottom)-Math.max(b.top,o.top)>6*zoom)over++});seen.push(b)})})}"
    "d.querySelectorAll('details').forEach(function(e){e.open=true});"
    "var tabs=d.querySelectorAll('input[type=radio]');tabs.forEach(function(t){t.checked=true;look()});"
    "if(!tabs.length)look();"
    "out+='{'+[width,cut,least.toFixed(2),beyond,over].join(' ')+'}'});"
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

typedef struct seen {
    int width, cut, beyond, over;
    double least;
} seen;

/* Lays out these windows, made for `count` of them; false without a browser. */
static bool look(seen *into, int count, const fr_buffer *windows)
{
    char *path = fr_path_join(test_folder(), "windows.html"), *profile = fr_path_join(test_folder(), "profile");
    assert_ok(fr_file_write(path, windows->data, windows->bytes));
    char *document = browse(path, profile), *at = document ? strstr(document, ">SEEN ") : NULL;
    free(path);
    free(profile);
    if (!document)
        return false;
    assert_non_null(at);
    for (int w = 0; w < count; w++) {
        at = strchr(at + 1, '{');
        assert_non_null(at);
        assert_int_equal(sscanf(at, "{%d %d %lf %d %d}", &into[w].width, &into[w].cut, &into[w].least, &into[w].beyond,
                                &into[w].over),
                         5);
    }
    free(document);
    return true;
}

/* One run with all sections, three with a comparison, and a sweep. */
static void write_pages(char *page[PAGES])
{
    char *base = fr_path_join(test_folder(), "pages"), *out = fr_path_join(base, "three.html"), *folder[4];
    static const char *const names[] = {"one", "a-run-with-a-name-of-some-length_and_without_a_blank", EVIL, "sweep"};
    for (int r = 0; r < 4; r++) {
        folder[r] = fr_path_join(base, names[r]);
        assert_ok(fr_make_folders(folder[r]));
        if (r < 3)
            (r ? write_run : write_rich_run)(folder[r], .001 * (r + 1), EXTRA);
    }
    write_sweep(folder[3]);
    page[0] = report(folder[0], "A title");
    assert_ok(fr_report_write_all((const char *const *)folder, 3, out, EVIL));
    page[1] = read_page(out);
    page[2] = report(folder[3], NULL);
    for (int r = 0; r < 4; r++)
        free(folder[r]);
    free(base);
    free(out);
}

static void fits(void **state)
{
    (void)state;
    static const int widths[] = {PHONE, SMALL_PHONE, TABLET, LAPTOP};
    static const char *const names[] = {"one run", "three runs", "a sweep"};
    char *page[PAGES];
    fr_buffer windows = {0};
    seen found[PAGES * WIDTHS];
    write_pages(page);
    fr_buffer_addf(&windows, "<!DOCTYPE html><meta charset=\"utf-8\">%s", measure);
    for (int p = 0; p < PAGES; p++)
        for (int w = 0; w < WIDTHS; w++)
            add_window(&windows, page[p], widths[w], "");
    bool looked = look(found, PAGES * WIDTHS, &windows);
    fr_buffer_close(&windows);
    for (int p = 0; p < PAGES; p++)
        free(page[p]);
    if (!looked)
        skip();
    for (int i = 0; i < PAGES * WIDTHS; i++) {
        const seen *s = &found[i];
        int width = widths[i % WIDTHS];
        print_message("%s in a window of %d: page of %d, %d texts cut; in figures: smallest text %g pixels, %d texts "
                      "outside, %d over others\n",
                      names[i / WIDTHS], width, s->width, s->cut, s->least, s->beyond, s->over);
    }
    for (int i = 0; i < PAGES * WIDTHS; i++) {
        assert_int_equal(found[i].width, widths[i % WIDTHS]);
        assert_int_equal(found[i].cut, 0);
        assert_int_equal(found[i].beyond, 0);
        assert_int_equal(found[i].over, 0);
        assert_true(found[i].least >= (widths[i % WIDTHS] == SMALL_PHONE ? 8 : 10)); /* 1e9: no figure was drawn */
    }
}

/* The page's own script, on cards of sizes 40 and 39. */
static void cards_are_searched_and_sorted(void **state)
{
    (void)state;
    static const char *const work =
        "<pre id=\"seen\"></pre><script>onload=function(){var d=document.querySelector('iframe').contentDocument,"
        "box=d.querySelector('.tasks'),search=box.querySelector('input'),order=box.querySelector('select'),out='';"
        "function say(){var cards=[].slice.call(box.querySelectorAll('details'));out+='{'+cards.filter(function(c){"
        "return !c.hidden}).map(function(c){return c.getAttribute('data-id')}).join(' ')+'}'}"
        "say();order.value='size';order.onchange();say();search.value='39 PROMPTS';search.oninput();say();"
        "search.value='nowhere';search.oninput();say();search.value='';search.oninput();order.value='-size';"
        "order.onchange();say();document.getElementById('seen').textContent='SEEN '+out+box.querySelector('output')"
        ".textContent}</script>";
    char *base = fr_path_join(test_folder(), "cards"), *path = fr_path_join(base, "window.html"),
         *profile = fr_path_join(base, "profile");
    fr_buffer window = {0};
    assert_ok(fr_make_folders(base));
    write_run(base, .001, 0);
    char *page = report(base, "");
    fr_buffer_addf(&window, "<!DOCTYPE html><meta charset=\"utf-8\">%s", work);
    add_window(&window, page, LAPTOP, "");
    assert_ok(fr_file_write(path, window.data, window.bytes));
    char *document = browse(path, profile);
    fr_buffer_close(&window);
    free(page);
    free(base);
    free(path);
    free(profile);
    if (!document)
        skip();
    assert_non_null(strstr(document, ">SEEN {0 1}{1 0}{1}{}{0 1}2 of 2<"));
    free(document);
}

/* Planted faults are seen, behind a tab as well. */
static void faults_are_seen(void **state)
{
    (void)state;
    fr_buffer windows = {0};
    seen found;
    fr_buffer_addf(&windows, "<!DOCTYPE html><meta charset=\"utf-8\">%s", measure);
    add_window(&windows,
               "<!DOCTYPE html><meta charset=\"utf-8\"><style>#b{display:none}#t:checked~#b{display:block}</style>"
               "<input type=\"radio\" name=\"x\" checked><input type=\"radio\" name=\"x\" id=\"t\"><div id=\"b\">",
               PHONE,
               "<div style=\"width:500px\">wide</div><small style=\"display:block;width:20px;overflow:hidden\">"
               "unbreakable</small><svg viewBox=\"0 0 100 100\" style=\"width:100px\"><text x=\"10\" y=\"50\">one"
               "</text><text x=\"14\" y=\"52\">two</text><text x=\"90\" y=\"20\">outside</text></svg></div>");
    bool looked = look(&found, 1, &windows);
    fr_buffer_close(&windows);
    if (!looked)
        skip();
    assert_true(found.width >= 500);
    assert_int_equal(found.cut, 1);
    assert_int_equal(found.beyond, 1);
    assert_int_equal(found.over, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fits), cmocka_unit_test(cards_are_searched_and_sorted),
                                       cmocka_unit_test(faults_are_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
