/* train_texts.h - a small planted data set whose labels only the words of its prompts tell, and a small text encoder.
 */
#ifndef FR_TEST_TRAIN_TEXTS_H
#define FR_TEST_TRAIN_TEXTS_H

#include "train_data.h"

#include "base/files.h"
#include "finerouter/tokenizer.h"
#include "nn/encoder.h"

typedef struct texts {
    planted p;
    fr_tokens tokens;
} texts;

/* Prompts of 3 to 40 words; those of cluster 1 hold the word "zebra" among others. Cached embeddings know nothing. An
 * untrained encoder for them lies in `folder`. */
static inline void texts_open(texts *t, int device, const char *folder)
{
    enum { N = 240 };
    static const char *word[12] = {"sum",  "of",    "the",  "river", "code", "bug",
                                   "list", "prove", "that", "a",     "poem", "about"};
    planted_open(&t->p, N, 2, 2, 16, 50, device);
    fr_config *config = &t->p.config;
    const char *settings[] = {"encoder.init=random", "encoder.layers=2",        "encoder.hidden=16",
                              "encoder.heads=2",     "encoder.intermediate=32", "encoder.max_tokens=64",
                              "encoder.lr=5e-3",     "encoder.dropout=0.05",    "classifier.batch=16",
                              "qe.batch=16",         "classifier.epochs=8",     "qe.epochs=8",
                              "qe.ridge=0",          "qe.early_stop=mse"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_ok(fr_config_set(config, settings[i]));
    for (int64_t i = 0; i < N; i++) {
        fr_buffer text = {0};
        int64_t words = 3 + fr_rng_below(21, 0, (uint64_t)i, 38), zebra = fr_rng_below(21, 1, (uint64_t)i, words);
        for (int64_t k = 0; k < words; k++)
            fr_buffer_addf(&text, "%s ",
                           t->p.label[i] == 1 && k == zebra ? "zebra"
                                                            : word[fr_rng_below(22, (uint64_t)i, (uint64_t)k, 12)]);
        t->p.data.text[i] = fr_strings_add(fr_dataset_strings(&t->p.data), text.data, text.bytes);
        fr_buffer_close(&text);
        t->p.data.quality[2 * i] = (float)t->p.label[i];
        t->p.data.quality[2 * i + 1] = (float)(1 - t->p.label[i]);
    }
    fr_tokenizer *tokenizer;
    assert_ok(fr_tokenizer_build(&tokenizer, t->p.data.text, N, 100));
    fr_encoder_shape shape;
    fr_encoder_shape_fresh(&shape, config, fr_tokenizer_size(tokenizer));
    fr_params params;
    fr_params_create(&params, t->p.device);
    fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, 64, 1);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    fr_encoder_init(encoder, 1);
    assert_ok(fr_encoder_export(encoder, tokenizer, folder));
    fr_encoder_close(encoder);
    fr_params_close(&params);
    fr_tokenize(&t->tokens, tokenizer, t->p.data.text, N, 64);
    fr_tokenizer_close(tokenizer);
    t->p.training.tokens = &t->tokens;
    t->p.training.encoder_folder = folder;
}

static inline void texts_close(texts *t)
{
    fr_tokens_close(&t->tokens);
    planted_close(&t->p);
}

#endif
