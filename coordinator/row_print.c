#include "coordinator/row_print.h"

#include "common/utf8.h"
#include "coordinator/lines.h"
#include "coordinator/tally.h"

static void print_predictions(const struct rec_row *row, const struct labels *labels, struct bytes *out)
{
    for (uint32_t i = 0; i < row->predictions_count; i++) {
        const struct rec_prediction *prediction = &row->predictions[i];
        const char *name = labels_name(labels, prediction->index);
        line_subject(out, i ? "" : "predictions");
        bytes_printf(out, "%9.4f %%  ", 100 * (double)prediction->probability);
        line_text(out, name ? name : "(no label)");
        bytes_printf(out, " (class %u)\n", prediction->index);
    }
    if (row->values.size) {
        line_subject(out, "numbers");
        bytes_printf(out, "%u\n", row->values.size / 4);
    }
}

int row_print(const struct export_row *row, const struct labels *labels, struct bytes *out)
{
    line_subject(out, "image");
    utf8_append_shown(out, row->item->uri.data, row->item->uri.size);
    line_end(out);
    if (row->truth.data) {
        line_subject(out, "truth");
        utf8_append_shown(out, row->truth.data, row->truth.size);
        line_end(out);
    }
    if (row->row->error) {
        line_subject(out, "no prediction");
        bytes_printf(out, "%s: ", row_error_name(row->row->error));
        line_text(out, row->row->detail ? row->row->detail : "");
        bytes_printf(out, "\n%*s%s\n", LINE_SUBJECT, "", failure_advice(row->row->error));
        return bytes_error(out);
    }
    print_predictions(row->row, labels, out);
    if (row->match != MATCH_NONE) {
        line_subject(out, "correct");
        bytes_append_text(out, row->match == MATCH_TRUE ? "yes\n" : "no\n");
    }
    return bytes_error(out);
}
