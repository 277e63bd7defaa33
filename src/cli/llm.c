#include "llm.h"

#include "base/files.h"
#include "base/hash.h"
#include "base/memory.h"
#include "io/http.h"
#include "io/lines.h"
#include "io/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fr_llm {
    const char *url, *model;
    char *path;
    int file;
    fr_http *http;
    json_t *answers; /* key: answer */
    int64_t asked, failures;
};

/* Lines that are no answers are left out: a kill may have cut one. */
static fr_status read_answers(fr_llm *llm)
{
    if (!fr_file_exists(llm->path))
        return FR_OK;
    fr_lines *lines;
    FR_TRY(fr_lines_open(&lines, llm->path));
    char *text;
    size_t bytes;
    fr_status status;
    while ((status = fr_lines_next(lines, &text, &bytes)) == FR_OK && text) {
        json_t *line = json_loadb(text, bytes, 0, NULL);
        const char *key = json_string_value(json_object_get(line, "key"));
        json_t *answer = json_object_get(line, "answer");
        if (key && json_is_string(answer))
            json_object_set(llm->answers, key, answer);
        json_decref(line);
    }
    fr_lines_close(lines);
    return status;
}

static fr_status append(fr_llm *llm, const char *text, size_t bytes)
{
    if (write(llm->file, text, bytes) != (ssize_t)bytes)
        return fr_fail(FR_FAILED, "%s: cannot append %zu bytes: %s", llm->path, bytes, strerror(errno));
    return FR_OK;
}

/* Opens the file for appending; a last line that a kill has cut is ended. */
static fr_status open_answers(fr_llm *llm)
{
    llm->file = open(llm->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (llm->file < 0)
        return fr_fail(FR_FAILED, "%s: cannot open the file of answers: %s", llm->path, strerror(errno));
    char last = '\n';
    off_t end = lseek(llm->file, 0, SEEK_END);
    if (end > 0 && pread(llm->file, &last, 1, end - 1) != 1)
        return fr_fail(FR_FAILED, "%s: cannot read: %s", llm->path, strerror(errno));
    return last == '\n' ? FR_OK : append(llm, "\n", 1);
}

fr_status fr_llm_open(fr_llm **result, const fr_config *config, const char *path)
{
    *result = NULL;
    FR_TRY(fr_config_check_llm(config));
    fr_llm *llm = FR_NEW(fr_llm, 1);
    *llm = (fr_llm){.url = config->llm.url,
                    .model = config->llm.model,
                    .path = fr_strdup(path),
                    .file = -1,
                    .answers = json_object()};
    fr_status status = read_answers(llm);
    if (status == FR_OK)
        status = open_answers(llm);
    if (status == FR_OK)
        status = fr_http_open(&llm->http, llm->url, getenv("FINEROUTER_LLM_KEY"), config->llm.timeout_seconds,
                              config->llm.retries);
    if (status != FR_OK)
        fr_llm_close(llm);
    else
        *result = llm;
    return status;
}

void fr_llm_close(fr_llm *llm)
{
    if (!llm)
        return;
    if (llm->file >= 0)
        close(llm->file);
    fr_http_close(llm->http);
    json_decref(llm->answers);
    free(llm->path);
    free(llm);
}

int64_t fr_llm_asked(const fr_llm *llm)
{
    return llm->asked;
}

int64_t fr_llm_failures(const fr_llm *llm)
{
    return llm->failures;
}

/* Bytes of the white space or control character at s, 0 if it is another: ASCII, U+0080 to U+00A0, U+2028, U+2029. */
static size_t blank(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    if ((u[0] && u[0] <= ' ') || u[0] == 127)
        return 1;
    if (u[0] == 0xC2 && u[1] <= 0xA0)
        return 2;
    return u[0] == 0xE2 && u[1] == 0x80 && (u[2] == 0xA8 || u[2] == 0xA9) ? 3 : 0;
}

/* What a model says around a sentence goes: its reasoning, quotes, line ends; then at most FR_LLM_CHARACTERS stay. */
static char *clean(const char *text)
{
    static const char end_of_thought[] = "</think>";
    for (const char *found; (found = strstr(text, end_of_thought));)
        text = found + strlen(end_of_thought);
    fr_buffer line = {0};
    fr_buffer_add(&line, "", 0);
    for (size_t skip; *text; text += skip) {
        if ((skip = blank(text)) == 0)
            fr_buffer_add(&line, text, skip = 1);
        else if (line.bytes > 0 && line.data[line.bytes - 1] != ' ')
            fr_buffer_add(&line, " ", 1);
    }
    char *start = line.data, *end = start + line.bytes;
    if (end > start && end[-1] == ' ')
        end--;
    if (end - start >= 2 && (*start == '"' || *start == '\'') && end[-1] == *start) {
        start++;
        end--;
    }
    *end = 0;
    int64_t characters = 0;
    for (char *c = start; *c; c++)
        if ((*c & 0xC0) != 0x80 && characters++ == FR_LLM_CHARACTERS)
            *c = 0, c--;
    char *result = fr_strdup(start);
    fr_buffer_close(&line);
    return result;
}

/* choices[0].message.content of a chat completion. */
static fr_status parse(const fr_llm *llm, char **answer, const char *reply)
{
    char part[FR_EXCERPT];
    json_t *json = json_loads(reply, 0, NULL); /* refuses invalid UTF-8 */
    json_t *message = json_object_get(json_array_get(json_object_get(json, "choices"), 0), "message");
    const char *content = json_string_value(json_object_get(message, "content"));
    fr_status status = FR_OK;
    if (!content) {
        status = fr_fail(FR_FAILED, "%s: the answer has no choices[0].message.content: %s", llm->url,
                         fr_utf8_excerpt(part, reply));
    } else {
        *answer = clean(content);
        if (fr_utf8_blank(*answer)) {
            free(*answer);
            *answer = NULL;
            status = fr_fail(FR_FAILED, "%s: the answer is empty", llm->url);
        }
    }
    json_decref(json);
    return status;
}

static fr_status store(fr_llm *llm, const char *key, const char *answer)
{
    json_t *line = json_pack("{s:s, s:s}", "key", key, "answer", answer);
    FR_CHECK(line, "an answer that is no JSON text");
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER), *ended = fr_format("%s\n", text);
    json_object_set_new(llm->answers, key, json_string(answer));
    fr_status status = append(llm, ended, strlen(ended));
    free(text);
    free(ended);
    json_decref(line);
    return status;
}

static fr_status fetch(fr_llm *llm, const char *key, const char *body)
{
    char *reply, *answer = NULL;
    FR_TRY(fr_http_post(llm->http, &reply, body));
    fr_status status = parse(llm, &answer, reply);
    free(reply);
    if (status == FR_OK)
        status = store(llm, key, answer);
    free(answer);
    llm->asked += status == FR_OK;
    return status;
}

/* Nothing but model and message is sent: what else an endpoint accepts differs. */
fr_status fr_llm_ask(fr_llm *llm, const char **answer, const char *request)
{
    json_t *json =
        json_pack("{s:s, s:[{s:s, s:s}]}", "model", llm->model, "messages", "role", "user", "content", request);
    if (!json)
        return fr_fail(FR_FAILED, "the text to send is not valid UTF-8");
    char *body = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER), key[FR_HASH_CHARS];
    json_decref(json);
    fr_hash *hash = fr_hash_create();
    fr_hash_add_text(hash, llm->url);
    fr_hash_add_text(hash, body);
    fr_hash_end(hash, key);
    fr_status status = FR_OK;
    if (!json_object_get(llm->answers, key)) {
        status = fetch(llm, key, body);
        llm->failures = status == FR_OK ? 0 : llm->failures + 1;
    }
    free(body);
    if (status == FR_OK)
        *answer = json_string_value(json_object_get(llm->answers, key));
    return status;
}
