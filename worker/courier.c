#include "worker/courier.h"

#include "common/clock.h"
#include "worker/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int courier_init(struct courier *courier, struct mailbox *box)
{
    *courier = (struct courier){ .mail.kind = MAIL_COURIER, .box = box };
    int r = pthread_mutex_init(&courier->lock, NULL);
    return r ? -r : -pthread_cond_init(&courier->changed, NULL);
}

static void drop_pieces(struct courier *courier)
{
    while (courier->waiting)
        free(courier->pieces[--courier->waiting]);
}

void courier_done(struct courier *courier)
{
    drop_pieces(courier);
    pthread_cond_destroy(&courier->changed);
    pthread_mutex_destroy(&courier->lock);
}

/* ---- the loader's side, the lock being held ---- */

/* There is something to ask for. */
static void tell_loop(struct courier *courier)
{
    if (courier->posted)
        return;
    courier->posted = true;
    mailbox_post(courier->box, &courier->mail);
}

static void begin(struct courier *courier, const char *sha256, uint64_t size, uint64_t from)
{
    drop_pieces(courier);
    snprintf(courier->sha256, sizeof(courier->sha256), "%s", sha256);
    courier->size = size;
    courier->kept = courier->came = courier->asked = from;
    courier->refusal[0] = '\0';
    courier->heard_ns = clock_now_ns();
    tell_loop(courier);
}

/* Waits for a piece, which is the caller's then. */
static int take_piece(struct courier *courier, char **ret, uint32_t *ret_size, struct why *why)
{
    while (!courier->waiting && !courier->cancelled && !courier->refusal[0])
        pthread_cond_wait(&courier->changed, &courier->lock);
    if (courier->cancelled)
        return because(why, -ECANCELED, "the job that wanted the model is over");
    if (courier->refusal[0])
        return because(why, -EREMOTEIO, "the coordinator cannot lend its model: %s", courier->refusal);
    *ret = courier->pieces[0];
    *ret_size = courier->piece_sizes[0];
    courier->waiting--;
    memmove(courier->pieces, courier->pieces + 1, (size_t)courier->waiting * sizeof(courier->pieces[0]));
    memmove(courier->piece_sizes, courier->piece_sizes + 1, (size_t)courier->waiting * sizeof(courier->piece_sizes[0]));
    return 0;
}

int courier_fetch(struct courier *courier, const char *sha256, uint64_t size, struct cache_part *part, struct why *why)
{
    int r = 0;
    pthread_mutex_lock(&courier->lock);
    begin(courier, sha256, size, part->size);
    while (r == 0 && part->size < size) {
        char *piece = NULL;
        uint32_t piece_size = 0;
        r = take_piece(courier, &piece, &piece_size, why);
        pthread_mutex_unlock(&courier->lock);
        if (r == 0)
            r = cache_part_append(part, piece, piece_size, why);
        free(piece);
        pthread_mutex_lock(&courier->lock);
        courier->kept = part->size;
        tell_loop(courier);
    }
    courier->sha256[0] = '\0';
    drop_pieces(courier);
    pthread_mutex_unlock(&courier->lock);
    return r;
}

bool courier_is_cancelled(struct courier *courier)
{
    pthread_mutex_lock(&courier->lock);
    bool cancelled = courier->cancelled;
    pthread_mutex_unlock(&courier->lock);
    return cancelled;
}

/* ---- the loop's side ---- */

void courier_allow(struct courier *courier)
{
    pthread_mutex_lock(&courier->lock);
    courier->cancelled = false;
    pthread_mutex_unlock(&courier->lock);
}

void courier_cancel(struct courier *courier)
{
    pthread_mutex_lock(&courier->lock);
    courier->cancelled = true;
    pthread_cond_signal(&courier->changed);
    pthread_mutex_unlock(&courier->lock);
}

void courier_took_mail(struct courier *courier)
{
    pthread_mutex_lock(&courier->lock);
    courier->posted = false;
    pthread_mutex_unlock(&courier->lock);
}

bool courier_next(struct courier *courier, char sha256[SHA256_HEX], uint64_t *ret_offset, uint32_t *ret_length)
{
    pthread_mutex_lock(&courier->lock);
    bool wanted = courier->sha256[0] && !courier->cancelled && courier->asked < courier->size &&
                  courier->asked < courier->kept + (uint64_t)COURIER_WINDOW * LIMIT_CHUNK;
    if (wanted) {
        uint64_t left = courier->size - courier->asked;
        memcpy(sha256, courier->sha256, SHA256_HEX);
        *ret_offset = courier->asked;
        *ret_length = left < LIMIT_CHUNK ? (uint32_t)left : LIMIT_CHUNK;
        courier->asked += *ret_length;
    }
    pthread_mutex_unlock(&courier->lock);
    return wanted;
}

/* The lock being held: whether it is what comes next, and there is room. */
static bool is_next(const struct courier *courier, const struct msg_model_chunk *chunk)
{
    return chunk->offset == courier->came && chunk->data.size && chunk->data.size <= courier->size - courier->came &&
           courier->waiting < COURIER_WINDOW;
}

static void keep_piece(struct courier *courier, const struct span *data)
{
    char *piece = malloc(data->size);
    if (!piece)
        return; /* as if lost on the way */
    memcpy(piece, data->data, data->size);
    courier->pieces[courier->waiting] = piece;
    courier->piece_sizes[courier->waiting++] = data->size;
    courier->came += data->size;
    if (courier->asked < courier->came)
        courier->asked = courier->came;
    courier->heard_ns = clock_now_ns();
}

void courier_deliver(struct courier *courier, const struct msg_model_chunk *chunk)
{
    pthread_mutex_lock(&courier->lock);
    if (courier->sha256[0] && !strcmp(chunk->sha256, courier->sha256)) {
        if (*chunk->detail)
            snprintf(courier->refusal, sizeof(courier->refusal), "%s", chunk->detail);
        else if (is_next(courier, chunk))
            keep_piece(courier, &chunk->data);
        pthread_cond_signal(&courier->changed);
    }
    pthread_mutex_unlock(&courier->lock);
}

void courier_again(struct courier *courier)
{
    pthread_mutex_lock(&courier->lock);
    courier->asked = courier->came;
    courier->heard_ns = clock_now_ns();
    pthread_mutex_unlock(&courier->lock);
}

bool courier_stalled(struct courier *courier, uint64_t now_ns, uint64_t patience_ns)
{
    pthread_mutex_lock(&courier->lock);
    bool stalled = courier->sha256[0] && courier->asked > courier->came && now_ns > courier->heard_ns + patience_ns;
    pthread_mutex_unlock(&courier->lock);
    if (stalled)
        courier_again(courier);
    return stalled;
}
