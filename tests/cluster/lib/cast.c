#include "tests/cluster/lib/cast.h"

#include "tests/cluster/lib/table.h"

struct puppet cast[CAST_MOST];

void cast_begin(struct process *run, int count, const char *images, const char *node_timeout)
{
    struct puppet *puppets[CAST_MOST];
    char least[8];
    for (int i = 0; i < count; i++)
        puppet_start(puppets[i] = &cast[i], 0);
    puppets_list("nodes", puppets, count);
    snprintf(least, sizeof(least), "%d", count);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", least, "--expiry", "1", "--node-timeout", node_timeout, "--batch", "10", "--job", "job",
          images);
}

void cast_narrow(int number)
{
    cast[number].closed_purse = true;
    PUPPETS(cast[number].welcomes);
    puppet_grant(&cast[number], 10);
}

void cast_act(int count, cast_rule *rule)
{
    for (int p = 0; p < count; p++)
        for (int i = 0; i < cast[p].arrived; i++)
            if (!cast[p].over[i] && !cast[p].silent)
                rule(&cast[p], &cast[p].batches[i], puppet_image(&cast[p].batches[i], 0));
    puppets_play(0.05);
}

void cast_play(struct process *run, int count, cast_rule *rule)
{
    for (double until = now_s() + patience(40); process_running(run); rest(until, __FILE__, __LINE__, "the end of the run"))
        cast_act(count, rule);
    CHECK_INT(process_end(run), 0);
}

void cast_check_rows(const char *error, int count)
{
    struct table table;
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, error), count);
    table_done(&table);
}
