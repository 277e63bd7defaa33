/* bench_tokenizer.c - speed of the tokenizer on one thread and on all.
 *
 *   bench_tokenizer FOLDER TEXTS MAX_TOKENS SECONDS [IDS]
 *
 * TEXTS: for every text its length (uint32, this machine's order) and its bytes. IDS: the ids are written there, for
 * every text their number and the ids (int32). Prints one line of JSON: medians of at least 5 rounds that last SECONDS
 * in all. ref_tokenizer.py sets it beside Hugging Face's tokenizers. */
#include "base/files.h"
#include "base/memory.h"
#include "finerouter/log.h"
#include "finerouter/tokenizer.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct texts {
    char *data;
    const char **text; /* NUL-terminated copies, for fr_tokenize */
    size_t *bytes;
    int64_t count, total;
} texts;

static fr_status read_texts(texts *t, const char *path)
{
    size_t size, at = 0;
    FR_TRY(fr_file_read(&t->data, &size, path, 0));
    while (at + 4 <= size) {
        uint32_t length;
        memcpy(&length, t->data + at, 4);
        if (length > size - at - 4)
            return fr_fail(FR_FAILED, "%s: text %lld is cut off", path, (long long)t->count);
        t->text = fr_realloc(t->text, (size_t)(t->count + 1) * sizeof *t->text);
        t->bytes = fr_realloc(t->bytes, (size_t)(t->count + 1) * sizeof *t->bytes);
        t->text[t->count] = fr_strndup(t->data + at + 4, length);
        t->bytes[t->count++] = length;
        t->total += length;
        at += 4 + length;
    }
    return FR_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t encode_all(const fr_tokenizer *tokenizer, const texts *t, int64_t most, int32_t *ids)
{
    int64_t tokens = 0;
    for (int64_t i = 0; i < t->count; i++)
        tokens += fr_tokenizer_encode(tokenizer, t->text[i], t->bytes[i], most, ids, NULL);
    return tokens;
}

enum { ROUNDS = 1000 };

/* Median seconds of one round. */
static double measure(const fr_tokenizer *tokenizer, const texts *t, int64_t most, double seconds, int32_t *ids)
{
    double took[ROUNDS], begin = fr_seconds();
    int rounds = 0;
    while (rounds < ROUNDS && (rounds < 5 || fr_seconds() - begin < seconds)) {
        double start = fr_seconds();
        if (ids) {
            encode_all(tokenizer, t, most, ids);
        } else {
            fr_tokens tokens;
            fr_tokenize(&tokens, tokenizer, t->text, t->count, most);
            fr_tokens_close(&tokens);
        }
        took[rounds++] = fr_seconds() - start;
    }
    qsort(took, (size_t)rounds, sizeof took[0], compare_doubles);
    return took[rounds / 2];
}

static fr_status write_ids(const fr_tokenizer *tokenizer, const texts *t, int64_t most, int32_t *ids, const char *path)
{
    fr_buffer out = {0};
    for (int64_t i = 0; i < t->count; i++) {
        int32_t count = (int32_t)fr_tokenizer_encode(tokenizer, t->text[i], t->bytes[i], most, ids, NULL);
        fr_buffer_add(&out, &count, sizeof count);
        fr_buffer_add(&out, ids, (size_t)count * sizeof *ids);
    }
    fr_status status = fr_file_write(path, out.data, out.bytes);
    fr_buffer_close(&out);
    return status;
}

static fr_status bench(char **argv, const char *ids_path)
{
    texts t = {0};
    fr_tokenizer *tokenizer = NULL;
    int64_t most = atoll(argv[3]);
    double seconds = atof(argv[4]), start = fr_seconds();
    if (most < 2 || most > 1 << 24)
        return fr_fail(FR_USAGE, "MAX_TOKENS is %s, want 2 to %d", argv[3], 1 << 24);
    int32_t *ids = FR_NEW(int32_t, most);
    fr_status status = fr_tokenizer_open(&tokenizer, argv[1]);
    double opened = fr_seconds() - start;
    if (status == FR_OK)
        status = read_texts(&t, argv[2]);
    if (status == FR_OK && ids_path)
        status = write_ids(tokenizer, &t, most, ids, ids_path);
    if (status == FR_OK) {
        int64_t tokens = encode_all(tokenizer, &t, most, ids);
        double one = measure(tokenizer, &t, most, seconds, ids), all = measure(tokenizer, &t, most, seconds, NULL);
        printf("{\"texts\": %lld, \"bytes\": %lld, \"tokens\": %lld, \"open_s\": %.4f, \"one_thread_s\": %.6f, "
               "\"all_threads_s\": %.6f, "
               "\"threads\": %d}\n",
               (long long)t.count, (long long)t.total, (long long)tokens, opened, one, all, omp_get_max_threads());
    }
    for (int64_t i = 0; i < t.count; i++)
        free((char *)t.text[i]);
    free(t.text);
    free(t.bytes);
    free(t.data);
    free(ids);
    fr_tokenizer_close(tokenizer);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: bench_tokenizer FOLDER TEXTS MAX_TOKENS SECONDS [IDS]\n");
        return FR_USAGE;
    }
    fr_status status = bench(argv, argc == 6 ? argv[5] : NULL);
    if (status != FR_OK)
        fprintf(stderr, "bench_tokenizer: %s\n", fr_error_text());
    return status;
}
