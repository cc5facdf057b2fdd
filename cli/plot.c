/* Recall against searches per second, for a terminal and as an SVG: speed on a logarithmic axis, recall on a plain one. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct frame {
    double least_recall, least_rate, most_rate; /* of the axes; rates are powers of ten */
} frame;

static frame frame_of(const cli_point *points, size_t n)
{
    frame f = { 1, INFINITY, 0 };

    for (size_t i = 0; i < n; i++) {
        f.least_recall = fmin(f.least_recall, points[i].recall);
        f.least_rate = fmin(f.least_rate, fmax(points[i].rate, 1e-3));
        f.most_rate = fmax(f.most_rate, fmax(points[i].rate, 1e-3));
    }
    f.least_recall = f.least_recall >= 0.95 ? 0.95 : f.least_recall >= 0.9 ? 0.9 : f.least_recall >= 0.5 ? 0.5 : 0;
    f.least_rate = pow(10, floor(log10(f.least_rate)));
    f.most_rate = pow(10, ceil(log10(f.most_rate)));
    if (f.most_rate <= f.least_rate)
        f.most_rate = f.least_rate * 10;
    return f;
}

/* 0 to 1 along each axis. */
static double along_rate(const frame *f, double rate)
{
    return log(fmax(rate, f->least_rate) / f->least_rate) / log(f->most_rate / f->least_rate);
}

static double along_recall(const frame *f, double recall) { return (recall - f->least_recall) / (1 - f->least_recall); }

/* ---------------------------------------------------------------- text */

enum { COLUMNS = 60, LINES = 15 };

void cli_plot_text(const cli_point *points, size_t n, void *file)
{
    static const char marks[] = "ox+*";
    char grid[LINES][COLUMNS + 1];
    const char *lines[sizeof marks] = { NULL };
    size_t n_lines = 0;
    frame f = frame_of(points, n);

    for (size_t y = 0; y < LINES; y++) {
        memset(grid[y], ' ', COLUMNS);
        grid[y][COLUMNS] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        size_t line = 0;
        while (line < n_lines && strcmp(lines[line], points[i].line) != 0)
            line++;
        if (line == n_lines && n_lines < sizeof marks - 1)
            lines[n_lines++] = points[i].line;
        size_t x = (size_t) lround(along_rate(&f, points[i].rate) * (COLUMNS - 1));
        size_t y = (size_t) lround((1 - along_recall(&f, points[i].recall)) * (LINES - 1));
        grid[y][x] = marks[line < sizeof marks - 1 ? line : sizeof marks - 2];
    }
    fprintf(file, "\nrecall\n");
    for (size_t y = 0; y < LINES; y++) {
        double recall = 1 - (1 - f.least_recall) * (double) y / (LINES - 1);
        if (y % 7 == 0)
            fprintf(file, "%6.3f |%s\n", recall, grid[y]);
        else
            fprintf(file, "       |%s\n", grid[y]);
    }
    fprintf(file, "       +");
    for (size_t x = 0; x < COLUMNS; x++)
        fputc('-', file);
    fprintf(file, "\n        %-10.6g%*.6g searches/s\n        ", f.least_rate, COLUMNS - 10, f.most_rate);
    for (size_t line = 0; line < n_lines; line++)
        fprintf(file, "%s%c %s", line ? "   " : "", marks[line], lines[line]);
    fputc('\n', file);
}

/* ---------------------------------------------------------------- SVG */

enum { WIDTH = 720, HEIGHT = 440, LEFT = 70, RIGHT = 30, TOP = 50, BOTTOM = 60 };

static const char *const colours[] = { "#6b7280", "#b91c1c", "#1d4ed8", "#047857" };

static double svg_x(const frame *f, double rate) { return LEFT + along_rate(f, rate) * (WIDTH - LEFT - RIGHT); }

static double svg_y(const frame *f, double recall)
{
    return HEIGHT - BOTTOM - along_recall(f, recall) * (HEIGHT - TOP - BOTTOM);
}

static void svg_text(FILE *file, double x, double y, const char *anchor, const char *text)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        default:
            fputc(*text, file);
        }
    fputs("</text>\n", file);
}

static void svg_axes(FILE *file, const frame *f)
{
    char text[32];

    for (int i = 0; i <= 5; i++) {
        double recall = f->least_recall + (1 - f->least_recall) * i / 5;
        double y = svg_y(f, recall);
        fprintf(file, "<path d=\"M%d %.1fH%d\" class=\"grid\"/>\n", LEFT, y, WIDTH - RIGHT);
        snprintf(text, sizeof text, "%.4g", recall);
        svg_text(file, LEFT - 8, y + 4, "end", text);
    }
    for (double rate = f->least_rate; rate <= f->most_rate * 1.001; rate *= 10) {
        double x = svg_x(f, rate);
        fprintf(file, "<path d=\"M%.1f %dV%d\" class=\"grid\"/>\n", x, TOP, HEIGHT - BOTTOM);
        snprintf(text, sizeof text, "%.6g", rate);
        svg_text(file, x, HEIGHT - BOTTOM + 20, "middle", text);
    }
    svg_text(file, (WIDTH + LEFT - RIGHT) / 2.0, HEIGHT - 16, "middle", "searches per second");
    svg_text(file, LEFT - 8, TOP - 12, "end", "recall");
}

static void svg_points(FILE *file, const frame *f, const cli_point *points, size_t n)
{
    size_t line = 0;

    for (size_t i = 0; i < n; i++) {
        bool goes_on = i > 0 && strcmp(points[i - 1].line, points[i].line) == 0;
        double x = svg_x(f, points[i].rate), y = svg_y(f, points[i].recall);
        line += i > 0 && !goes_on;
        const char *colour = colours[line % (sizeof colours / sizeof colours[0])];
        if (goes_on)
            fprintf(file, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\" stroke-width=\"2\"/>\n",
                    svg_x(f, points[i - 1].rate), svg_y(f, points[i - 1].recall), x, y, colour);
        fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x, y, colour);
        svg_text(file, x + 7, y + 14, "start", points[i].label);
    }
}

int cli_plot_svg(const cli_point *points, size_t n, const char *title, const char *path)
{
    frame f = frame_of(points, n);
    FILE *file = fopen(path, "w");

    if (!file)
        return cli_complain(EXIT_IO, "%s: %s", path, strerror(errno));
    fprintf(
        file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<style>.grid { stroke: #e5e7eb } text { fill: #111827 }</style>\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
    svg_text(file, LEFT, 24, "start", title);
    svg_axes(file, &f);
    svg_points(file, &f, points, n);
    fputs("</svg>\n", file);
    bool written = !ferror(file);
    if (fclose(file) != 0 || !written)
        return cli_complain(EXIT_IO, "%s: %s", path, strerror(errno));
    return EXIT_OK;
}
