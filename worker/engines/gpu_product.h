/* gpu_product.h: products of matrices with cublasLt: a fully connected layer, and convolutions of 1x1, which are the same thing a pixel.
 *
 *     y (rows, outputs) = relu(x (rows, inputs) * w (outputs, inputs)^T + z (rows, outputs) + b (outputs)), all row-major
 *
 * cublasLt thinks in columns: y is its outputs x rows, w its inputs x outputs, and the bias runs along the columns as its epilogues want. Sums are f32, without
 * TF32, and in an order that is the same in every run.
 *
 * Threads:   one at a time.
 * Ownership: product_done() frees what product_init() made, also after it failed.
 * Errors:    those of gpu.h, with the failing call in `why`. */
#pragma once

#include "worker/engines/gpu_cuda.h"

struct product_shape {
    uint64_t rows, inputs, outputs;
    enum number_format format; /* of everything; not s8 */
    bool adds, relu;           /* z is there, ReLU */
    bool splits;               /* a sum may be computed in parts, for few rows: the parts lie in the workspace and are added in their order */
};

/* A way to compute it; plain memory, which the same version of cublasLt takes back on an equal device [cublasLt.h, cublasLtMatmulAlgo_t]. */
struct product_way {
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace; /* bytes */
};
#define PRODUCT_WAYS 16 /* at most */

struct product {
    struct product_shape shape;
    cublasLtMatmulDesc_t what;
    cublasLtMatrixLayout_t w, x, y; /* z lies as y does */
    struct product_way way;         /* the caller's to choose */
};

/* A plan's text: the word, and the algorithm in hex digits. */
#define PRODUCT_WORD "product "
#define PRODUCT_TEXT (sizeof(PRODUCT_WORD) + 2 * sizeof(cublasLtMatmulAlgo_t))

int product_init(struct product *product, const struct product_shape *shape, struct why *why);
void product_done(struct product *product); /* accepts zeroed memory */

/* The most promising ways that want no more workspace. Returns how many, at least 1, or -ENOTSUP. */
int product_search(const struct product *product, cublasLtHandle_t handle, size_t workspace, struct product_way ret[PRODUCT_WAYS], struct why *why);

void product_text(const struct product_way *way, char text[PRODUCT_TEXT]);

int product_run(struct product *product, cublasLtHandle_t handle, cudaStream_t stream, const struct conv_memory *memory, struct why *why);

/* ---- as plans of 1x1 convolutions ------------------------------------------------------------------------------------------------ */

/* Whether the shape is such a convolution. */
bool product_fits(const struct conv_shape *shape);

/* Whether a plan's text is a product's. */
bool product_is_text(const char *text);

/* As plan_list and plan_load of gpu.h. A text is that of a plan which the library itself names, or refused: nobody vouches for what cublasLt does
 * with any other bytes. */
int product_plans(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                  struct why *why);
int product_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why);
int product_plan_run(struct gpu *gpu, cudaStream_t stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why);
void product_plan_free(struct gpu_plan *plan);
