/* encoder.h - a BERT-family text encoder on packed batches: forward and backward.
 *
 *   x = dropout(LN(word[id] + position[i] + type[0]))
 *   each layer: x = LN(x + dropout(out_proj(attention(qkv(x)))));  x = LN(x + dropout(ffn2(gelu(ffn1(x)))))     (post-LN, erf GELU)
 *   h = pool(x): mean over a sequence's tokens or its first token; then h / |h| when normalize
 *
 * Parameter names are Hugging Face's BertModel names ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight", ...), so loading and export are a
 * copy; query, key and value lie one after another in memory so that they are one GEMM. The pooler of a checkpoint is not used and kept out. */
#ifndef FR_NN_ENCODER_H
#define FR_NN_ENCODER_H

#include "finerouter/config.h"
#include "finerouter/tokenizer.h"
#include "nn/params.h"
#include "ops/ops.h"

typedef struct fr_encoder_shape {
    int64_t vocabulary, positions, types, layers, hidden, heads, intermediate; /* words, longest input, token types, L, C, H, F */
    double layernorm_epsilon;                                                  /* 1e-12 */
    int64_t max_tokens;                                                        /* longest input in use, <= positions */
    bool cls, normalize;                                                       /* pooling by first token, else mean; unit length output */
    bool lower_case;                                                           /* of sentence_bert_config.json; informative */
} fr_encoder_shape;

typedef struct fr_encoder fr_encoder;

/* Reads config.json, modules.json / 1_Pooling/config.json, sentence_bert_config.json of a folder; applies encoder.max_tokens, pooling, normalize of the config.
 * Errors name file and key: no such folder, not a BERT (model_type, hidden_act gelu, position_embedding_type absolute), sizes that do not fit. */
FR_NODISCARD fr_status fr_encoder_shape_read(fr_encoder_shape *shape, const char *folder, const fr_config *config);

/* The shape of a fresh encoder (encoder.init: random). */
void fr_encoder_shape_fresh(fr_encoder_shape *shape, const fr_config *config, int64_t vocabulary);

/* Declares the encoder's parameters in `params` (prefix "" or e.g. "classifier."; names = prefix + Hugging Face name). trainable_layers: the last n layers are trainable; -1 all of it with
 * the embeddings; 0 none. max_tokens_in_batch (N) and max_batch (B) bound forward's input; workspace is laid out for them (with room for backward when anything is trainable). Call fr_params_commit, then
 * fr_encoder_commit. */
fr_encoder *fr_encoder_create(const fr_encoder_shape *shape, fr_params *params, const char *prefix, int64_t trainable_layers, int64_t max_tokens_in_batch, int64_t max_batch);
void fr_encoder_commit(fr_encoder *encoder);
void fr_encoder_close(fr_encoder *encoder);
const fr_encoder_shape *fr_encoder_get_shape(const fr_encoder *encoder);

void fr_encoder_init(fr_encoder *encoder, uint64_t seed); /* N(0, .02), LN 1 and 0, biases 0 */
/* model.safetensors of the folder into the parameters (f32, f16, bf16 tensors; with or without a "bert." prefix). Errors: missing or wrong-shaped tensor (name, shape, wanted shape), truncated file, header that lies. */
FR_NODISCARD fr_status fr_encoder_load(fr_encoder *encoder, const char *folder);
/* Writes config.json, model.safetensors, modules.json, 1_Pooling/config.json, sentence_bert_config.json (+ 2_Normalize when normalize) and the tokenizer's files: loads in sentence-transformers. */
FR_NODISCARD fr_status fr_encoder_export(const fr_encoder *encoder, const fr_tokenizer *tokenizer, const char *folder);

/* ids (N) and cu (B + 1) on the host. h (B, C) is filled. dropout p 0: inference. key_first: global index of the first token, key_step: e.g. the training step. Only what backward needs is kept. */
typedef struct fr_encoder_randomness {
    double p;
    uint64_t seed, step;
    int64_t first_token;
} fr_encoder_randomness;
void fr_encoder_forward(fr_encoder *encoder, fr_tensor h, const int32_t *ids, const int32_t *cu, int64_t B, fr_encoder_randomness randomness);
/* dh (B, C): adds to the gradients of the trainable parameters; stops below the lowest trainable layer. */
void fr_encoder_backward(fr_encoder *encoder, fr_tensor dh);

/* Embeds many texts: sorted by length, packed in batches of at most batch_tokens, with progress. out (count, C) f32 on the host, in the order of the texts. */
FR_NODISCARD fr_status fr_encoder_embed(fr_encoder *encoder, float *out, const fr_tokens *tokens, const char *what, int64_t batch_tokens);

/* Content hash of a folder's model, config and pooling files (for cache keys). */
FR_NODISCARD fr_status fr_encoder_folder_hash(char hex[33], const char *folder);

/* Default folder: $FINEROUTER_ENCODER, else ${XDG_CACHE_HOME:-~/.cache}/finerouter/all-MiniLM-L6-v2. malloc'd. */
char *fr_encoder_default_folder(void);

#endif
