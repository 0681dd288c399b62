/* What a terminal shows while workers compute, answer and die. */
#include "coordinator/progress.h"

#include "coordinator/coordinator.h"
#include "common/log.h"
#include "tests/test.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct coordinator c;
static struct node node = { .state = NODE_READY, .name = "one", .stage_count = 1 };
static struct progress *progress;
static int terminal, shown, own; /* its two ends, and what stderr was before: a failed check is told there */
static char screen[65536];

/* With `shown` as standard error. */
static void start(void)
{
    struct why why;
    own = dup(STDERR_FILENO);
    CHECK(shown >= 0 && own >= 0);
    dup2(shown, STDERR_FILENO);
    int r = progress_new(".", &progress, &why);
    dup2(own, STDERR_FILENO);
    CHECK_INT(r, 0);
    c.nodes = &node;
    c.node_count = 1;
}

static void open_terminal(void)
{
    terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    shown = terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0 ? open(ptsname(terminal), O_RDWR | O_NOCTTY) : -1;
    if (shown < 0)
        test_skip("there are no pseudoterminals here (/dev/pts)");
    start();
}

static void nap(void)
{
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
}

static void update(void)
{
    dup2(shown, STDERR_FILENO);
    progress_update(progress, &c);
    dup2(own, STDERR_FILENO);
}

static bool is_whole(size_t size)
{
    return size && screen[size - 1] == '\n' && strstr(screen, " held");
}

/* What is drawn next; a terminal gives it in pieces. */
static const char *look(void)
{
    size_t size = 0;
    screen[0] = '\0';
    for (int i = 0; i < 3000 && !is_whole(size); i++) {
        if (!size)
            update();
        ssize_t n = read(terminal, screen + size, sizeof(screen) - 1 - size);
        size += n > 0 ? (size_t)n : 0;
        screen[size] = '\0';
        if (n <= 0)
            nap();
    }
    CHECK(is_whole(size));
    return screen;
}

/* The node has 100 images, and says that it is through with so many. */
static void compute(uint64_t images)
{
    node.held = 100;
    node.stages[0].items = images;
}

TEST(what_is_told_as_done_are_safe_rows_and_a_lost_worker_takes_none_away)
{
    open_terminal();
    c.listed = true;
    c.counts.images = 160;
    compute(50);
    CHECK_CONTAINS(look(), "[+++++...........] 0/160 images, 0.0/s, 0 errors");
    compute(60);
    while (strstr(look(), " 0.0/s"))
        nap();
    CHECK_CONTAINS(screen, "[++++++..........] 0/160 images, ");
    CHECK_CONTAINS(screen, " left, 0 errors");
    c.counts.done_images = node.images_done = 100;
    CHECK_CONTAINS(look(), "[##########......] 100/160 images, ");
    compute(130);
    CHECK_CONTAINS(look(), "[##########+++...] 100/160 images, ");
    node.held = 0;
    CHECK_CONTAINS(look(), "[##########......] 100/160 images, ");
    progress_free(progress);
}

TEST(a_bar_is_drawn_when_it_is_known_how_much_there_is)
{
    open_terminal();
    c.counts.images = 1000;
    c.counts.done_images = 500;
    CHECK_CONTAINS(look(), "[listing         ] 500/1000+ images, ");
    progress_free(progress);
}

/* Where stderr is a file. */
static void open_file(void)
{
    shown = open("log", O_RDWR | O_CREAT | O_APPEND, 0600);
    start();
}

static const char *next_line(void)
{
    ssize_t n = 0;
    for (int i = 0; i < 3000 && n <= 0; i++) {
        update();
        nap();
        n = pread(shown, screen, sizeof(screen) - 1, 0);
    }
    screen[n > 0 ? n : 0] = '\0';
    CHECK_INT(ftruncate(shown, 0), 0);
    return screen;
}

TEST(a_line_of_a_log_tells_what_is_computed_of_batches_that_are_not_done)
{
    log_open("program", LOG_LEVEL_INFO);
    open_file();
    c.listed = true;
    c.counts.images = 160;
    compute(50);
    CHECK_CONTAINS(next_line(), "0/160 images and 50 in unfinished batches, ");
    c.counts.done_images = node.images_done = 50;
    CHECK_CONTAINS(next_line(), "50/160 images, ");
    progress_free(progress);
}

#define NODES 200

static struct node nodes[NODES];

/* The second to the last of a list of which the first is ready. */
static void open_nodes(void)
{
    log_open("program", LOG_LEVEL_INFO);
    open_file();
    for (int i = 0; i < NODES; i++) {
        snprintf(nodes[i].name, sizeof(nodes[i].name), "n%d", i);
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
    }
    nodes[0].state = NODE_READY;
    nodes[2].state = NODE_LOADING;
    nodes[3].state = NODE_REFUSED;
    snprintf(nodes[3].why_not, sizeof(nodes[3].why_not), "it has other weights");
    c.nodes = nodes;
    c.node_count = NODES;
}

TEST(a_line_of_a_log_names_the_first_nodes_that_are_missing_and_why_and_not_every_time)
{
    open_nodes();
    CHECK_CONTAINS(next_line(), ", 1 of 200 workers (n1 does not answer; n2 loading; n3 refused: it has other weights; n4 does not answer; and 195 more)\n");
    CHECK_CONTAINS(next_line(), ", 1 of 200 workers\n");
    nodes[1].state = NODE_READY;
    CHECK_CONTAINS(next_line(), ", 2 of 200 workers (n2 loading; n3 refused: it has other weights; n4 does not answer; n5 does not answer; and 194 more)\n");
    progress_free(progress);
}

TEST(the_reasons_of_missing_nodes_are_cut_before_they_fill_the_screen)
{
    open_nodes();
    for (int i = 1; i < NODES; i++) {
        memset(nodes[i].name, 'n', 250);
        memset(nodes[i].why_not, 'x', 900);
    }
    CHECK_CONTAINS(next_line(), "xxx...; and 195 more)\n");
    progress_free(progress);
}
