/* encoder.h - a BERT-family text encoder on packed batches: forward and backward.
 *
 *   x = dropout(LN(word[id] + position[i] + type[0]))
 *   each layer (post-LN, erf GELU):
 *     x = LN(x + dropout(out_proj(attention(qkv(x)))))
 *     x = LN(x + dropout(ffn2(gelu(ffn1(x)))))
 *   h = pool(x): mean over a sequence's tokens, or its first token; then h / |h| when normalize
 *
 * Letters: N packed tokens, B sequences, L layers, C width, H attention heads, F feed-forward width.
 *
 * Parameter names are Hugging Face's BertModel names ("embeddings.word_embeddings.weight",
 * "encoder.layer.0.attention.self.query.weight", ...), so loading and export are a copy; query, key and value lie one
 * after another in memory, so that they are one GEMM. The pooler of a checkpoint is not used and kept out. */
#ifndef FR_NN_ENCODER_H
#define FR_NN_ENCODER_H

#include "finerouter/config.h"
#include "finerouter/tokenizer.h"
#include "nn/params.h"
#include "ops/ops.h"

typedef struct fr_encoder_shape {
    int64_t vocabulary, positions, types;        /* words, longest input, token types */
    int64_t layers, hidden, heads, intermediate; /* L, C, H, F */
    double layernorm_epsilon;                    /* 1e-12 */
    int64_t max_tokens;                          /* longest input in use, <= positions */
    bool cls, normalize;                         /* pooling by first token, else mean; unit length output */
    bool lower_case;                             /* of sentence_bert_config.json; informative, the tokenizer decides */
} fr_encoder_shape;

typedef struct fr_encoder fr_encoder;

/* Reads config.json, modules.json, the pooling's config.json and sentence_bert_config.json of a folder and applies
 * encoder.max_tokens, pooling and normalize of the config. Errors name file and key: no such folder, not a BERT
 * (model_type bert, hidden_act gelu, position_embedding_type absolute), sizes that do not fit, a pooling or module that
 * is not supported. */
FR_NODISCARD fr_status fr_encoder_shape_read(fr_encoder_shape *shape, const char *folder, const fr_config *config);

/* The shape of a fresh encoder (encoder.init: random). */
void fr_encoder_shape_fresh(fr_encoder_shape *shape, const fr_config *config, int64_t vocabulary);

/* Declares the encoder's parameters in `params` under prefix + Hugging Face name (prefix "" or e.g. "classifier.").
 * trainable_layers: the last n layers are trainable; -1 all of them with the embeddings; 0 none.
 * max_tokens_in_batch (N) and max_batch (B) bound forward's input; the workspace is laid out for them: about
 * N (3 C + max(4 C, F)) reals for inference, and N (9 C + 2 F) more per trainable layer.
 * Call fr_params_commit, then fr_encoder_commit; `params` must outlive the encoder. */
fr_encoder *fr_encoder_create(const fr_encoder_shape *shape, fr_params *params, const char *prefix,
                              int64_t trainable_layers, int64_t max_tokens_in_batch, int64_t max_batch);
void fr_encoder_commit(fr_encoder *encoder);
void fr_encoder_close(fr_encoder *encoder); /* accepts NULL */
const fr_encoder_shape *fr_encoder_get_shape(const fr_encoder *encoder);

void fr_encoder_init(fr_encoder *encoder, uint64_t seed); /* weights N(0, .02), LN 1 and 0, biases 0 */

/* model.safetensors of the folder into the parameters (F32, F16, BF16, F64 tensors; names with or without "bert."
 * before them; LayerNorm's old names gamma and beta). Errors: missing or wrong-shaped tensor (name, shape, wanted
 * shape), cut off file, lying header. */
FR_NODISCARD fr_status fr_encoder_load(fr_encoder *encoder, const char *folder);

/* Writes config.json, model.safetensors, modules.json, 1_Pooling/config.json, sentence_bert_config.json (+ 2_Normalize
 * when normalize) and the tokenizer's files (tokenizer NULL: not): loads in sentence-transformers. */
FR_NODISCARD fr_status fr_encoder_export(const fr_encoder *encoder, const fr_tokenizer *tokenizer, const char *folder);

typedef struct fr_encoder_randomness {
    double p;            /* dropout; 0: inference */
    uint64_t seed, step; /* step e.g. of the training: another step draws other numbers */
    int64_t first_token; /* global index of the batch's first token, so that ranks draw what one device would */
} fr_encoder_randomness;

/* Most tokens in a batch: encoder.batch_tokens, or where that is 0 what suits the device; at least one whole prompt. */
int64_t fr_encoder_batch_tokens(const fr_config *config, const fr_device *device, const fr_encoder_shape *shape,
                                bool training);

/* Between create and commit: bytes of the workspace, and of all parameters declared so far with their gradients and
 * moments. Allocates nothing on the device. */
size_t fr_encoder_bytes(const fr_encoder *encoder, size_t *parameters);

/* Between create and commit: whether a GPU has room for the workspace and for all parameters declared so far.
 * FR_FAILED with what is needed, what is free, and the encoder.batch_tokens that would fit. */
FR_NODISCARD fr_status fr_encoder_check_memory(const fr_encoder *encoder);

/* ids (N) and cu (B + 1) on the host: sequence b is ids[cu[b]] .. ids[cu[b+1] - 1], none is empty. Fills h (B, C).
 * Keeps what backward needs of the trainable layers, no more. Allocates nothing. */
void fr_encoder_forward(fr_encoder *encoder, fr_tensor h, const int32_t *ids, const int32_t *cu, int64_t B,
                        fr_encoder_randomness randomness);

/* dh (B, C): adds to the gradients of the trainable parameters, after the forward of the same batch; stops below the
 * lowest trainable layer. */
void fr_encoder_backward(fr_encoder *encoder, fr_tensor dh);

/* Embeds many texts: sorted by length, packed in batches of at most batch_tokens (and max_tokens_in_batch) tokens;
 * equal token sequences are computed once. out (count, C) f32 on the host, in the order of the texts. Shows progress as
 * `what` (NULL: none); FR_INTERRUPTED between batches when asked to stop. Together: the ranks bring the same texts and
 * weights, share the batches and get the same bits as one would. */
FR_NODISCARD fr_status fr_encoder_embed(fr_encoder *encoder, float *out, const fr_tokens *tokens, const char *what,
                                        int64_t batch_tokens);

/* Content hash of everything in a folder that decides an embedding: config, weights, pooling, tokenizer. */
FR_NODISCARD fr_status fr_encoder_folder_hash(char hex[33], const char *folder);

/* $FINEROUTER_ENCODER, else ${XDG_CACHE_HOME:-~/.cache}/finerouter/all-MiniLM-L6-v2. malloc'd. */
char *fr_encoder_default_folder(void);

#endif
