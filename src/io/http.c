#include "http.h"

#include "base/memory.h"
#include "finerouter/log.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_BYTES = 16 << 20, EXCERPT = 160, MOST_PAUSE = 60 };

struct fr_http {
    CURL *curl;
    struct curl_slist *headers;
    char *url, *bearer;
    int64_t retries;
    fr_buffer body;
    char error[CURL_ERROR_SIZE];
};

static size_t receive(char *data, size_t size, size_t count, void *user)
{
    fr_buffer *body = user;
    if (body->bytes + size * count > MOST_BYTES)
        return 0;
    fr_buffer_add(body, data, size * count);
    return size * count;
}

static int progressed(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    (void)user, (void)total, (void)now, (void)up_total, (void)up_now;
    return fr_interrupt_wanted();
}

static void set_options(fr_http *http, int64_t timeout_seconds)
{
    CURL *curl = http->curl;
    curl_easy_setopt(curl, CURLOPT_URL, http->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "finerouter/" FR_VERSION);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)timeout_seconds);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)(timeout_seconds < 10 ? timeout_seconds : 10));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &http->body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progressed);
}

fr_status fr_http_open(fr_http **result, const char *url, const char *bearer, int64_t timeout_seconds, int64_t retries)
{
    for (const char *c = bearer ? bearer : ""; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 127)
            return fr_fail(FR_USAGE, "the key for %s holds a blank or a character outside ASCII", url);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    fr_http *http = FR_NEW(fr_http, 1);
    http->curl = curl_easy_init();
    FR_CHECK(http->curl, "libcurl does not start");
    http->url = fr_strdup(url);
    http->bearer = fr_strdup(bearer ? bearer : "");
    http->retries = retries;
    http->headers = curl_slist_append(http->headers, "Content-Type: application/json");
    http->headers = curl_slist_append(http->headers, "Expect:");
    if (http->bearer[0]) {
        char *line = fr_format("Authorization: Bearer %s", http->bearer);
        http->headers = curl_slist_append(http->headers, line);
        free(line);
    }
    set_options(http, timeout_seconds);
    *result = http;
    return FR_OK;
}

void fr_http_close(fr_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->headers);
    fr_buffer_close(&http->body);
    free(http->url);
    free(http->bearer);
    free(http);
}

/* The beginning of the body on one line of printable ASCII; servers that repeat the key do not get it into our log. */
static void excerpt(char out[EXCERPT + 4], const fr_http *http)
{
    const char *text = http->body.bytes ? http->body.data : "";
    size_t used = 0, key = strlen(http->bearer);
    while (*text && used < EXCERPT) {
        bool is_key = key > 0 && strncmp(text, http->bearer, key) == 0;
        unsigned char c = is_key ? '*' : (unsigned char)*text;
        if (c <= ' ')
            c = ' ';
        if (c != ' ' || (used > 0 && out[used - 1] != ' '))
            out[used++] = c < 127 ? (char)c : '?';
        text += is_key ? key : 1;
    }
    strcpy(out + used, *text ? "..." : "");
}

static bool passes(CURLcode code, long http_status)
{
    if (code == CURLE_OK)
        return http_status == 408 || http_status == 429 || http_status >= 500;
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
           code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE || code == CURLE_SSL_CONNECT_ERROR;
}

/* Before try number `again` (from 0); ends early when the person wants to stop. */
static void pause_before(const fr_http *http, int64_t again)
{
    curl_off_t asked = 0;
    double seconds = again < 6 ? 0.5 * (double)(1 << again) : 30;
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked);
    if (asked > 0 && (double)asked > seconds)
        seconds = asked < MOST_PAUSE ? (double)asked : MOST_PAUSE;
    const struct timespec step = {.tv_nsec = 50 * 1000 * 1000};
    for (double end = fr_seconds() + seconds; fr_seconds() < end && !fr_interrupt_wanted();)
        nanosleep(&step, NULL);
}

fr_status fr_http_post(fr_http *http, char **answer, const char *json)
{
    *answer = NULL;
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(json));
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, json);
    for (int64_t try = 0;; try++) {
        if (fr_interrupt_wanted())
            return fr_interrupted();
        fr_buffer_close(&http->body);
        http->body = (fr_buffer){0};
        http->error[0] = 0;
        CURLcode code = curl_easy_perform(http->curl);
        if (code == CURLE_ABORTED_BY_CALLBACK)
            return fr_interrupted();
        long status = 0;
        curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK && status >= 200 && status < 300) {
            *answer = http->body.data ? http->body.data : fr_strdup("");
            http->body = (fr_buffer){0};
            return FR_OK;
        }
        if (try < http->retries && passes(code, status)) {
            pause_before(http, try);
            continue;
        }
        char tries[32] = "", body[EXCERPT + 4];
        if (try > 0)
            snprintf(tries, sizeof tries, " (tried %lld times)", (long long)try + 1);
        if (code == CURLE_WRITE_ERROR)
            return fr_fail(FR_FAILED, "%s: the answer is above %d MiB", http->url, MOST_BYTES >> 20);
        if (code != CURLE_OK)
            return fr_fail(FR_FAILED, "%s: %s%s", http->url, http->error[0] ? http->error : curl_easy_strerror(code),
                           tries);
        excerpt(body, http);
        return fr_fail(FR_FAILED, "%s: HTTP status %ld%s: %s", http->url, status, tries, body[0] ? body : "(no text)");
    }
}
