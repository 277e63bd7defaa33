/* encoder_internal.h - what the encoder's files share: encoder.c (layout), encoder_pass.c (forward, backward),
 * encoder_embed.c, encoder_files.c. */
#ifndef FR_NN_ENCODER_INTERNAL_H
#define FR_NN_ENCODER_INTERNAL_H

#include "encoder.h"

/* A parameter in the device's real type and its gradient (data NULL when frozen). */
typedef struct fr_weight {
    fr_tensor value, grad;
} fr_weight;

typedef struct fr_layer_weights {
    fr_weight qkv, qkv_bias;                  /* (3 C, C), (3 C) */
    fr_weight out, out_bias, ln1, ln1_bias;   /* (C, C), (C), (C), (C) */
    fr_weight ffn1, ffn1_bias;                /* (F, C), (F) */
    fr_weight ffn2, ffn2_bias, ln2, ln2_bias; /* (C, F), (C), (C), (C) */
} fr_layer_weights;

/* Activations of a layer, in the order they are computed; rows beyond the batch are unused. Trainable layers own
 * theirs. The frozen ones share one set in which later steps overwrite what is no longer needed: s1, y1 -> scratch; qkv
 * and att, then f1 and g -> wide;  s2, y2 -> the layer's own input. */
typedef struct fr_layer_state {
    fr_tensor qkv, att, lse;        /* (N, 3 C), (N, C), (N, H) */
    fr_tensor s1, mean1, rstd1, y1; /* (N, C), (N), (N), (N, C) */
    fr_tensor f1, g;                /* (N, F) before and after GELU */
    fr_tensor s2, mean2, rstd2, y2;
} fr_layer_state;

struct fr_encoder {
    fr_encoder_shape shape;
    fr_params *params;
    uint64_t serial;                  /* of this process's encoders */
    int64_t first_param, param_count; /* ours in params, one after another */
    int64_t first_trainable;          /* layer; L when none is */
    bool train_embeddings;
    int64_t max_N, max_B, prefix_length;

    fr_weight word, position, type, ln0, ln0_bias;
    fr_layer_weights *layer; /* (L) */

    fr_arena *arena;
    fr_tensor ids, cu;               /* I32 (N), (B + 1) */
    fr_tensor x, scratch, wide;      /* (N, C), (N, C), (N max(4 C, F)): x is the input of the first trainable layer */
    fr_tensor s0, mean0, rstd0;      /* of the embeddings; s0 is x where they are frozen */
    fr_layer_state frozen, *state;   /* (L) state; those of the frozen layers are copies of `frozen` */
    fr_tensor cls_x, cls_att, cls_d; /* (B, C) first tokens only, when cls; gradient of the latter */
    fr_tensor pooled, unit, norm;    /* (B, C), (B, C), (B) */
    fr_tensor dpooled, dx;           /* (B, C), (N, C); data NULL when nothing is trainable */
    int32_t *host_ids, *host_cu;     /* (N), (B + 1): packing of fr_encoder_embed */

    /* Of the last forward. */
    int64_t N, B, longest;
    bool only_first; /* the last layer went on with first tokens only */
    fr_encoder_randomness randomness;
};

/* Forward up to encoder->unit (B rows), or encoder->pooled when not normalize; returns that. */
fr_tensor fr_encoder_run(fr_encoder *encoder, const int32_t *ids, const int32_t *cu, int64_t B,
                         fr_encoder_randomness randomness);

#endif
