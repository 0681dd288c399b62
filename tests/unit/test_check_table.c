#include "coordinator/check_table.h"

#include "common/cleanup.h"
#include "tests/test.h"

#define CPU "onednn 3.7, f32, batch 4, noise 1234"

static struct msg_status status(const char *fingerprint)
{
    return (struct msg_status){ .version = SLEDDOG_VERSION, .host = "h", .engine = "onednn", .device = "a CPU", .threads = 32, .memory = 16ull << 30,
                                .job = "", .owner = "", .verdict = VERDICT_RIGHT, .verdict_detail = "", .fingerprint = fingerprint,
                                .gpu_detail = "no CUDA driver here" };
}

/* The line of node i, from 0; the header is -1. To be freed. */
static char *line_of(const char *text, int i)
{
    for (; i >= 0; i--)
        text = strchr(text, '\n') + 1;
    return strndup(text, strcspn(text, "\n"));
}

static char *print(const struct msg_status *statuses, int count, struct check_wishes wishes, int bad)
{
    struct check_answer answers[8];
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < count; i++)
        answers[i] = (struct check_answer){ (const char *[]){ "a:1", "bb:2", "c:3", "d:4", "e:5" }[i], statuses[i].version ? &statuses[i] : NULL, "" };
    CHECK_INT(check_table_print(answers, count, &wishes, out), bad);
    fclose(out);
    return text;
}

TEST(good_nodes_are_lines_of_a_table)
{
    struct msg_status nodes[] = { status(CPU), status(CPU) };
    CLEANUP(freep) char *text = print(nodes, 2, (struct check_wishes){ 0 }, 0);
    CHECK_STR(text, "NODE  STATE  VERSION  ENGINE  DEVICE  THREADS    MEMORY  BUSY  VERIFIED\n"
                    "a:1   ok     " SLEDDOG_VERSION "    onednn  a CPU        32  16.0 GiB  -     yes\n"
                    "bb:2  ok     " SLEDDOG_VERSION "    onednn  a CPU        32  16.0 GiB  -     yes\n"
                    "2 nodes: 2 ok\n");
}

TEST(a_device_with_a_long_name_is_cut_behind_a_word)
{
    struct msg_status nodes[] = { status(CPU), status(CPU), status(CPU), status(CPU) };
    nodes[0].device = "oneDNN on Some(R) Long(TM) Processor @ 2.60GHz, avx512_core_amx, 64 cores";
    nodes[1].device = "123456789012345678901234567890123456789012345678";
    nodes[2].device = "1234567890123456789012345678901234567890123\xc3\xa9 and more of it";
    nodes[3].device = "1234567890123456789012345678901234567890123456789";
    CLEANUP(freep) char *text = print(nodes, 4, (struct check_wishes){ 0 }, 0);
    static const char *const cells[] = { "  oneDNN on Some(R) Long(TM) Processor @...  ", "  123456789012345678901234567890123456789012345678  ",
                                         "  1234567890123456789012345678901234567890123...  ", "  12345678901234567890123456789012345678901234...  " };
    for (int i = 0; i < 4; i++) {
        CLEANUP(freep) char *line = line_of(text, i);
        CHECK_CONTAINS(line, cells[i]);
    }
}

TEST(what_is_wrong_with_a_node_is_in_its_line_and_counts)
{
    struct msg_status nodes[] = { status(CPU), status(CPU), { 0 }, status(CPU), status(CPU) };
    nodes[1].version = "0.0.9";
    nodes[3].job = "77";
    nodes[3].owner = "ann@desk";
    nodes[4].verdict = VERDICT_WRONG;
    nodes[4].verdict_detail = "layer conv1";
    CLEANUP(freep) char *text = print(nodes, 5, (struct check_wishes){ 0 }, 4);
    static const char *const parts[] = { "ok", "MISMATCH", "MISSING", "BUSY", "WRONG" };
    static const char *const notes[] = { "", ("this is " SLEDDOG_VERSION ": install the same release"), "no answer; is sleddog-worker running there",
                                         "busy with a job of ann@desk", "ITS ANSWERS ARE NOT PYTORCH'S: layer conv1" };
    for (int i = 0; i < 5; i++) {
        CLEANUP(freep) char *line = line_of(text, i);
        CHECK_CONTAINS(line, parts[i]);
        CHECK_CONTAINS(line, notes[i]);
    }
    CHECK_CONTAINS(text, "5 nodes: 1 ok, 1 MISSING, 1 MISMATCH, 1 WRONG, 1 BUSY\n");
}

TEST(a_node_whose_numbers_are_not_those_of_most_is_told_unless_they_may_be_mixed)
{
    struct msg_status nodes[] = { status("onednn 3.7, f32, batch 8"), status(CPU), status(CPU), status("") };
    nodes[3].engine = "sim";
    CLEANUP(freep) char *text = print(nodes, 4, (struct check_wishes){ 0 }, 2);
    CLEANUP(freep) char *first = line_of(text, 0), *last = line_of(text, 3);
    CHECK_CONTAINS(first, "its numbers may differ in the last digits from those of other nodes: \"onednn 3.7, f32, batch 8\", they have \"" CPU "\"; --mixed");
    CHECK_CONTAINS(last, "\"sim\", they have \"onednn\"");
    free(print(nodes, 4, (struct check_wishes){ .mixed = true }, 0));
}

TEST(a_node_without_a_gpu_is_bad_where_one_is_required)
{
    struct msg_status nodes[] = { status(CPU), status(CPU) };
    nodes[1].gpu = 1;
    nodes[1].gpu_detail = "";
    CLEANUP(freep) char *text = print(nodes, 2, (struct check_wishes){ .require_gpu = true }, 1);
    CLEANUP(freep) char *line = line_of(text, 0);
    CHECK_CONTAINS(line, "NO GPU");
    CHECK_CONTAINS(line, "no CUDA driver here");
}

TEST(what_a_node_says_cannot_command_a_terminal)
{
    struct msg_status nodes[] = { status(CPU) };
    nodes[0].device = "\x1b[2Jgone\n";
    CLEANUP(freep) char *text = print(nodes, 1, (struct check_wishes){ 0 }, 0);
    CHECK(!strchr(text, '\x1b'));
    CHECK_CONTAINS(text, "?[2Jgone?");
}
