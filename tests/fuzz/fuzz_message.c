/* fuzz_message.c: any bytes as a frame: what is a message can be printed, written and read again, and is the same then. */
#include "proto/messages.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct message *message, struct bytes *out)
{
    bytes_init(out, 1 << 20);
    int r = message_print(message, out);
    assert(r == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message, again;
    struct bytes frame, text, text_again;
    struct why why = { "" };
    if (message_decode(data, size, &message, &why) < 0) {
        assert(why.text[0]);
        return 0;
    }
    bytes_init(&frame, LIMIT_FRAME);
    int r = message_encode(&message, &frame);
    assert(r == 0);
    r = message_decode(frame.data, frame.size, &again, &why);
    assert(r == 0 && again.kind == message.kind && again.from == message.from && again.to == message.to);
    print(&message, &text);
    print(&again, &text_again);
    assert(!strcmp(text.data, text_again.data));
    bytes_done(&text);
    bytes_done(&text_again);
    bytes_done(&frame);
    message_free(&again);
    message_free(&message);
    return 0;
}
