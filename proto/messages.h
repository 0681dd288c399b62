/* messages.h: what the coordinator and a worker say to each other, as structs made from messages.def.
 *
 * Threads:   plain data.
 * Ownership: a decoded message owns its spans, texts and lists: they live until message_free(). In a message that is about to be
 *            encoded they are borrowed from the caller.
 * Versions:  hello, probe, refuse and status are understood between programs of different protocol versions, so that each can name the other's: of such a
 *            message the fields that both know are read, the others are 0 or "" (protocol says which version wrote it).
 * Errors:    -EBADMSG for bytes that are not a message of this protocol, -EMSGSIZE for one beyond a limit, -ENOMEM. */
#pragma once

#include "common/arena.h"
#include "common/bytes.h"
#include "common/why.h"
#include "proto/limits.h"

#include <stdint.h>

#ifndef PROTOCOL_VERSION /* tests build a worker of another one */
#define PROTOCOL_VERSION 5u
#endif

struct span {
    const char *data; /* followed by a NUL in a decoded message */
    uint32_t size;
};

/* How a row ended. The names are those of the result table. */
enum row_error {
    ROW_OK,
    ROW_NOT_FOUND,
    ROW_DENIED,
    ROW_FETCH,
    ROW_TIMEOUT,
    ROW_TOO_LARGE,
    ROW_DECODE,
    ROW_UNSUPPORTED,
    ROW_CRASH,
    ROW_ERRORS, /* how many there are */
};

enum row_emit {
    ROW_TOPK,
    ROW_LOGITS,
    ROW_FEATURES,
};

enum refuse_reason {
    REFUSE_BUSY,     /* serves another live job, leaves, or stands still: ask again later */
    REFUSE_MISMATCH, /* protocol or version: asking again is of no use */
    REFUSE_MODEL,    /* weights or engine cannot do this job */
    REFUSE_FENCED,   /* a higher epoch of this job is here */
    REFUSE_FAILED,   /* the model could not be loaded this time, which may pass: ask again later */
};

/* Stage of a suspect that the worker gave up by itself: nothing was wrong, but its decoder did not come back. */
#define SUSPECT_ENDLESS "endless"

/* A model's activation ranges are beside it, in a file of its name and this. */
#define RANGES_SUFFIX ".ranges.json"

/* Loading a model may stand still for so many times as long as a stage: servers are waited for. */
#define LOAD_STALLS 12

/* What a worker found when it compared its own answers with PyTorch's. */
enum verdict {
    VERDICT_NONE,    /* not compared: busy, or nothing to compare with */
    VERDICT_PENDING, /* being compared: ask again */
    VERDICT_RIGHT,
    VERDICT_WRONG,
};

/* Structs: struct rec_item, struct msg_hello, ... */
#define U32(name)               uint32_t name;
#define U64(name)               uint64_t name;
#define F32(name)               float name;
#define BYTES(name, limit)      struct span name;
#define TEXT(name, limit)       const char *name;
#define LIST(rec, name, limit)  struct rec_##rec *name; uint32_t name##_count;
#define RECORD(name, ...)       struct rec_##name { __VA_ARGS__ };
#define MESSAGE(name, to, ...)  struct msg_##name { __VA_ARGS__ };
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD

/* Numbers: MESSAGE_hello = 1, ... */
#define RECORD(name, ...)
#define MESSAGE(name, to, ...) MESSAGE_##name,
enum message_kind {
    MESSAGE_none,
#include "proto/messages.def"
    MESSAGE_KINDS,
};
#undef MESSAGE

struct message {
    enum message_kind kind;
    uint64_t from; /* incarnation of the sender: random, new with every start */
    uint64_t to;   /* incarnation this is meant for; 0: whoever is there (hello, probe) */
    union {
#define MESSAGE(name, to, ...) struct msg_##name name;
#include "proto/messages.def"
#undef MESSAGE
    };
    struct arena arena;
};
#undef RECORD
#undef U32
#undef U64
#undef F32
#undef BYTES
#undef TEXT
#undef LIST

/* "hello", or "?" */
const char *message_name(enum message_kind kind);

/* Appends one frame to `out`. Spans and texts that are NULL count as empty. */
int message_encode(const struct message *message, struct bytes *out);

/* `message` is written on success only, and must then be given to message_free(). */
int message_decode(const void *frame, size_t size, struct message *ret, struct why *why);
void message_free(struct message *message);

/* For logs: "batch{epoch=1 batch=7 attempt=0 items=[60]}". */
int message_print(const struct message *message, struct bytes *out);

/* Lists of records on their own, as the job store keeps them. The decoded records live in `arena`. */
int items_encode(const struct rec_item *items, uint32_t count, struct bytes *out);
int items_decode(const void *data, size_t size, struct arena *arena, struct rec_item **ret, uint32_t *ret_count);
int rows_encode(const struct rec_row *rows, uint32_t count, struct bytes *out);
int rows_decode(const void *data, size_t size, struct arena *arena, struct rec_row **ret, uint32_t *ret_count);

/* "not_found", "decode", ...; "" for ROW_OK */
const char *row_error_name(enum row_error error);
