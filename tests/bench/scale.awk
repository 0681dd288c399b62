#!/usr/bin/awk -f
# scale.awk -v out=FOLDER -v what=TEXT [-v nominal=RATE] RUNS.csv: what runs with different numbers of nodes say, as scale.txt, scale.csv and scale.svg.
#
# Speedup S(n) is images/s over the images/s of one node: measured, or `nominal` where one node's rate is known. Efficiency is S(n) / n.
# Serial fraction of a run, experimentally: e = (1/S - 1/n) / (1 - 1/n)                               (Karp, Flatt, CACM 33 (5), 1990)
# Of all runs of a batch size: the s of Amdahl's 1/S = s + (1 - s)/n (AFIPS 1967) by least squares,
# that is s = sum (1/S - 1/n)(1 - 1/n) / sum (1 - 1/n)^2: the mean of e, weighted.
BEGIN { FS = "," }
NR == 1 { next }
{
    key = $1 "," $2
    if (!(key in count)) {
        if (!($1 in points)) order[++batches] = $1
        nodes[$1, ++points[$1]] = $2
    }
    count[key]++
    line[key, count[key]] = $0
    value[key, count[key]] = $5
}

# The run whose rate is the middle one.
function middle(key,    i, k, less, rest) {
    for (i = 1; i <= count[key]; i++) {
        less = 0
        for (k = 1; k <= count[key]; k++)
            less += value[key, k] < value[key, i] || (value[key, k] == value[key, i] && k < i)
        if (less == int((count[key] - 1) / 2)) return line[key, i]
    }
}

function log2(x) { return log(x) / log(2) }

# ---- places in the picture: two panels, images/s left and efficiency right ----

function px(panel, n) { return 70 + panel * 460 + 380 * (most > 1 ? log2(n) / log2(most) : 0.5) }
function py_rate(r) { return 340 - 280 * log(r / low) / log(high / low) }
function py_share(e) { return 340 - 280 * e / 1.1 }

function text(x, y, anchor, size, words) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\">%s</text>\n", x, y, anchor, size, words > svg
}
function rule(x1, y1, x2, y2, style) {
    printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2, style > svg
}

function draw_axes(    n, r, e, last) {
    for (panel = 0; panel < 2; panel++) {
        printf "<rect x=\"%d\" y=\"60\" width=\"380\" height=\"280\" fill=\"none\" stroke=\"#888\"/>\n", 70 + panel * 460 > svg
        for (n = 1; n <= most; n *= 2) {
            rule(px(panel, n), 340, px(panel, n), 345, "stroke=\"#888\"")
            text(px(panel, n), 358, "middle", 11, n)
        }
        text(260 + panel * 460, 378, "middle", 12, "nodes")
    }
    for (r = 1; r <= high; r *= 10)
        for (last = 1; last < 10; last++)
            if (r * last >= low && r * last <= high) {
                rule(70, py_rate(r * last), 450, py_rate(r * last), last == 1 ? "stroke=\"#ccc\"" : "stroke=\"#eee\"")
                if (last == 1 || last == 2 || last == 5) text(64, py_rate(r * last) + 4, "end", 11, r * last)
            }
    for (e = 0; e <= 1.01; e += 0.2) {
        rule(530, py_share(e), 910, py_share(e), "stroke=\"#ddd\"")
        text(524, py_share(e) + 4, "end", 11, sprintf("%.1f", e))
    }
    text(260, 48, "middle", 13, "images/s")
    text(720, 48, "middle", 13, "efficiency")
}

function draw_batch(b, i,    k, n, colour, path, ideal, share, x) {
    colour = substr("#1f5fa8#c2571a#2b8a3e#8a2b7d#555555", (i - 1) % 5 * 7 + 1, 7)
    path = ideal = share = ""
    for (k = 1; k <= points[b]; k++) {
        n = nodes[b, k]
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", px(0, n), py_rate(per_s[b, n]), colour > svg
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", px(1, n), py_share(efficiency[b, n]), colour > svg
        share = share sprintf("%.1f,%.1f ", px(1, n), py_share(efficiency[b, n]))
    }
    for (x = 1; x <= most * 1.001; x *= 1.05) {
        n = one[b] / (serial[b] + (1 - serial[b]) / x)
        if (n >= low && n <= high) path = path sprintf("%.1f,%.1f ", px(0, x), py_rate(n))
    }
    printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\"/>\n", path, colour > svg
    printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\"/>\n", share, colour > svg
    rule(px(0, 1), py_rate(one[b]), px(0, most), py_rate(one[b] * most), "stroke=\"#999\" stroke-dasharray=\"4 4\"")
    printf "<circle cx=\"%d\" cy=\"%d\" r=\"3.5\" fill=\"%s\"/>\n", 80 + (i - 1) * 210, 396, colour > svg
    text(90 + (i - 1) * 210, 400, "start", 12, sprintf("batch %s: serial fraction %.4f", b, serial[b]))
}

END {
    csv = out "/scale.csv"; table = out "/scale.txt"; svg = out "/scale.svg"
    printf "" > csv; printf "" > table; printf "" > svg
    most = 1; low = 1e12; high = 1
    print "batch,nodes,images,seconds,images_per_s,speedup,efficiency,karp_flatt,coordinator_us_per_image,machine_load" > csv
    printf "%s\n%5s %5s %9s %8s %10s %8s %10s %10s %14s %6s\n", what, "batch", "nodes", "images", "seconds", "images/s", "speedup", "efficiency", "Karp-Flatt", "us/image coord", "load" > table
    for (i = 1; i <= batches; i++) {
        b = order[i]
        sum = weight = 0
        split(middle(b "," nodes[b, 1]), first, ",")
        one[b] = nominal > 0 ? nominal : first[5] / nodes[b, 1]
        for (k = 1; k <= points[b]; k++) {
            n = nodes[b, k]
            split(middle(b "," n), f, ",")
            per_s[b, n] = f[5]
            speedup = f[5] / one[b]
            efficiency[b, n] = speedup / n
            karp = "-"
            if (n > 1) {
                karp = sprintf("%.5f", (1 / speedup - 1 / n) / (1 - 1 / n))
                sum += (1 / speedup - 1 / n) * (1 - 1 / n)
                weight += (1 - 1 / n) ^ 2
            }
            printf "%s,%s,%s,%s,%s,%.4f,%.4f,%s,%s,%s\n", b, n, f[3], f[4], f[5], speedup, efficiency[b, n], karp == "-" ? "" : karp, f[6], f[7] > csv
            printf "%5s %5s %9s %8.2f %10.0f %8.2f %10.3f %10s %14.2f %6.2f\n", b, n, f[3], f[4], f[5], speedup, efficiency[b, n], karp, f[6], f[7] > table
            if (n > most) most = n
            if (f[5] < low) low = f[5]
            if (f[5] > high) high = f[5]
        }
        serial[b] = weight > 0 ? sum / weight : 0
        if (serial[b] < 0) serial[b] = 0
        printf "batch %s: serial fraction %.5f (Amdahl, least squares): %s\n", b, serial[b],
            (serial[b] > 0 ? sprintf("at most %.0f times one node", 1 / serial[b]) : "no bound to be seen") > table
    }
    for (b in one) { if (one[b] < low) low = one[b]; if (one[b] * most > high) high = one[b] * most }
    low *= 0.8; high *= 1.2
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 940 415\" font-family=\"sans-serif\">\n<rect width=\"940\" height=\"415\" fill=\"white\"/>" > svg
    text(470, 22, "middle", 15, what ": points measured, dashed ideal, solid Amdahl's law fitted")
    draw_axes()
    for (i = 1; i <= batches; i++) draw_batch(order[i], i)
    print "</svg>" > svg
}
