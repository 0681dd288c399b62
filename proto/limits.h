/* limits.h: the largest things a peer may send, side by side. Checked before memory is taken. */
#pragma once

#define LIMIT_FRAME      (64u << 20) /* bytes of one message */
#define LIMIT_TO_WORKER  (LIMIT_BATCH * (LIMIT_URI + 256u) + LIMIT_FRAME_REST) /* bytes of one message that a worker takes: the largest batch */
#define LIMIT_FRAME_REST 65536u      /* bytes of whatever else is in a message with a list */
#define LIMIT_DECODED    (512u << 20) /* bytes of memory one decoded message may take */
#define LIMIT_TEXT       1024u       /* bytes of a sentence or a name */
#define LIMIT_URI        4096u       /* bytes of an image's or a model's address */
#define LIMIT_BATCH      4096u       /* images a batch */
#define LIMIT_CHUNK      (128u << 10) /* bytes of a model in one message */
#define LIMIT_RANGES     (4u << 20)  /* bytes of a file of activation ranges */
#define LIMIT_CLASSES    65536u      /* classes of a network, and so predictions a row */
#define LIMIT_SUSPECTS   8192u       /* items that a process was working on when it died */
#define LIMIT_STAGES     16u         /* stages of a worker's pipeline */
