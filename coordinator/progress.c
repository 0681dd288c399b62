#include "coordinator/progress.h"

#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/missing.h"
#include "coordinator/status.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#define DRAW_NS     (200 * NS_PER_MS)
#define PLAIN_NS    (5 * NS_PER_S)
#define STATUS_NS   NS_PER_S
#define RATE_NS     (10 * NS_PER_S) /* images/s is that of the last ten seconds */
#define MISSING_NS  (60 * NS_PER_S) /* who is missing is told again after that; before, if it has changed */
#define SAMPLES     64
#define MAX_WORKERS 8               /* lines on a terminal */

struct sample {
    uint64_t at_ns, images;
};

struct progress {
    bool terminal;
    char status_path[PATH_MAX];
    uint64_t drawn_ns, plain_ns, status_ns;
    struct sample samples[SAMPLES];
    int newest, count;
    uint64_t most; /* images that were through at once, ever: what a lost worker takes with it is not computed twice as fast again */
    int lines; /* drawn and to be erased */
    struct bytes text;
    char missing[MISSING_TEXT]; /* as it was told last */
    uint64_t missing_ns;        /* when */
};

/* log.h calls back without an argument, and there is one bar a process. */
static struct progress *on_screen;

static void erase(void)
{
    if (!on_screen || !on_screen->lines)
        return;
    char text[64];
    int size = snprintf(text, sizeof(text), "\r\033[%dA\033[J", on_screen->lines);
    ssize_t written = write(STDERR_FILENO, text, (size_t)size);
    (void)written;
}

static void draw(void)
{
    if (!on_screen || !on_screen->lines)
        return;
    ssize_t written = write(STDERR_FILENO, on_screen->text.data, on_screen->text.size);
    (void)written;
}

int progress_new(const char *job_dir, struct progress **ret, struct why *why)
{
    struct progress *progress = calloc(1, sizeof(*progress));
    if (!progress)
        return because(why, -ENOMEM, "out of memory");
    snprintf(progress->status_path, sizeof(progress->status_path), "%s/status.json", job_dir);
    progress->terminal = isatty(STDERR_FILENO);
    progress->plain_ns = clock_now_ns();
    bytes_init(&progress->text, 65536);
    if (progress->terminal) {
        on_screen = progress;
        log_around(erase, draw);
    }
    *ret = progress;
    return 0;
}

void progress_free(struct progress *progress)
{
    if (!progress)
        return;
    if (progress->terminal) {
        log_around(NULL, NULL);
        erase();
        on_screen = NULL;
    }
    unlink(progress->status_path);
    bytes_done(&progress->text);
    free(progress);
}

static double images_per_second(struct progress *progress, uint64_t now, uint64_t images)
{
    struct sample *newest = &progress->samples[progress->newest];
    if (!progress->count || now - newest->at_ns > RATE_NS / (SAMPLES - 2)) {
        progress->newest = (progress->newest + 1) % SAMPLES;
        progress->samples[progress->newest] = (struct sample){ now, images };
        if (progress->count < SAMPLES)
            progress->count++;
    }
    const struct sample *oldest = &progress->samples[(progress->newest + SAMPLES - progress->count + 1) % SAMPLES];
    return now > oldest->at_ns && images > oldest->images ? (double)(images - oldest->images) * 1e9 / (double)(now - oldest->at_ns) : 0;
}

/* Images computed, safe or not yet. What is told as done are safe rows alone, as by `status`, and never becomes less; but batches are long, and the
 * rate should not have to wait for a whole one. The workers' own counters tell, as far as they are about images that they hold. */
static uint64_t images_through(const struct coordinator *c)
{
    uint64_t images = c->counts.done_images;
    for (const struct node *node = c->nodes; node; node = node->next) {
        uint64_t through = 0;
        for (uint32_t i = 0; i < node->stage_count; i++)
            through += i + 1 < node->stage_count ? node->stages[i].errors : node->stages[i].items;
        uint64_t fresh = through > node->images_done ? through - node->images_done : 0;
        images += fresh < node->held ? fresh : node->held;
    }
    return images;
}

static void put_counts(struct bytes *out, const struct coordinator *c)
{
    bytes_printf(out, "%" PRIu64 "/%" PRIu64 "%s images", c->counts.done_images, c->counts.images, c->listed ? "" : "+");
}

static void put_rate(struct bytes *out, const struct coordinator *c, uint64_t through, double rate)
{
    const struct db_counts *counts = &c->counts;
    bytes_printf(out, ", %.1f/s", rate);
    if (rate > 0 && c->listed) {
        uint64_t left = (uint64_t)((double)(counts->images > through ? counts->images - through : 0) / rate);
        bytes_printf(out, ", %" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
    }
    bytes_printf(out, ", %" PRIu64 " error%s", counts->errors, counts->errors == 1 ? "" : "s");
}

static int part_of(int width, uint64_t images, uint64_t all)
{
    return all ? (int)((double)width * (double)images / (double)all) : 0;
}

/* '#': safe; '+': computed, and lost if the worker is. While the number of images still grows, the same work would be less of it every time. */
static void put_bar(struct bytes *out, const struct coordinator *c, uint64_t through, int width)
{
    if (!c->listed) {
        bytes_printf(out, "[%-*s] ", width, "listing");
        return;
    }
    int safe = part_of(width, c->counts.done_images, c->counts.images), computed = part_of(width, through, c->counts.images);
    bytes_append_char(out, '[');
    for (int i = 0; i < width; i++)
        bytes_append_text(out, i < safe ? "#" : i < computed ? "+" : ".");
    bytes_append_text(out, "] ");
}

static int screen_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

/* One screen line: cut at the edge, so that erasing counts right. */
static void end_line(struct bytes *out, size_t start, int columns)
{
    if (out->size > start + (size_t)columns - 1)
        out->size = start + (size_t)columns - 1;
    bytes_append_char(out, '\n');
}

static void put_node(struct bytes *out, const struct node *node)
{
    bytes_printf(out, "  %-24s %-8s %8" PRIu64 " done %6" PRIu64 " held", node->name, node_state_shown(node), node->images_done,
                 node->held);
    if (node_waits_for_store(node))
        bytes_append_text(out, "  waits for a store that does not answer");
    else if (node->state == NODE_READY)
        bytes_printf(out, "  %s", node->device);
    else if (*node->why_not)
        bytes_printf(out, "  %s", node->why_not);
    else if (node->state == NODE_CALLING && !node->left)
        bytes_append_text(out, "  does not answer");
}

static void draw_screen(struct progress *progress, const struct coordinator *c, uint64_t through, double rate)
{
    struct bytes *out = &progress->text;
    int columns = screen_columns(), lines = 1;
    erase();
    bytes_clear(out);
    put_bar(out, c, through, columns > 100 ? 30 : 16);
    put_counts(out, c);
    put_rate(out, c, through, rate);
    end_line(out, 0, columns);
    for (const struct node *node = c->nodes; node && lines <= MAX_WORKERS; node = node->next, lines++) {
        size_t start = out->size;
        put_node(out, node);
        end_line(out, start, columns);
    }
    if (c->node_count > MAX_WORKERS) {
        size_t start = out->size;
        char missing[MISSING_TEXT];
        int not_ready = missing_describe(c, missing);
        bytes_printf(out, "  and %d more%s%s", c->node_count - MAX_WORKERS, not_ready ? "; not ready: " : "", missing);
        end_line(out, start, columns);
        lines++;
    }
    progress->lines = bytes_error(out) ? 0 : lines;
    draw();
}

static void put_missing(struct progress *progress, const struct coordinator *c, uint64_t now)
{
    char missing[MISSING_TEXT];
    missing_describe(c, missing);
    if (now - progress->missing_ns < MISSING_NS && !strcmp(missing, progress->missing))
        return;
    if (*missing)
        bytes_printf(&progress->text, " (%s)", missing);
    snprintf(progress->missing, sizeof(progress->missing), "%s", missing);
    progress->missing_ns = now;
}

static void print_plain(struct progress *progress, const struct coordinator *c, uint64_t now, uint64_t through, double rate)
{
    int ready = 0, all = 0;
    for (const struct node *node = c->nodes; node; node = node->next) {
        ready += node->state == NODE_READY;
        all += node->state != NODE_GONE;
    }
    bytes_clear(&progress->text);
    put_counts(&progress->text, c);
    if (through > c->counts.done_images) /* what the bar shows as '+' */
        bytes_printf(&progress->text, " and %" PRIu64 " in unfinished batches", through - c->counts.done_images);
    put_rate(&progress->text, c, through, rate);
    bytes_printf(&progress->text, ", %d of %s", ready, COUNTED((uint64_t)all, "worker", "workers"));
    put_missing(progress, c, now);
    if (!bytes_error(&progress->text))
        log_info("%s", progress->text.data);
}

void progress_update(struct progress *progress, struct coordinator *c)
{
    uint64_t now = clock_now_ns();
    uint64_t through = images_through(c);
    progress->most = through > progress->most ? through : progress->most;
    double rate = images_per_second(progress, now, progress->most);
    if (progress->terminal && now - progress->drawn_ns >= DRAW_NS) {
        progress->drawn_ns = now;
        draw_screen(progress, c, through, rate);
    } else if (!progress->terminal && now - progress->plain_ns >= PLAIN_NS) {
        progress->plain_ns = now;
        print_plain(progress, c, now, through, rate);
    }
    if (now - progress->status_ns >= STATUS_NS) {
        progress->status_ns = now;
        status_write(progress->status_path, c, rate);
    }
}
