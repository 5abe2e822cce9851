/* Figures drawn by gnuplot: every panel as an SVG of its own for the page, where panels stand
 * beside or below each other as there is room, and every figure as one SVG and one PDF for papers.
 */
#define _GNU_SOURCE
#include "compiler/study/report/plot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/study/report/program.h"
#include "compiler/study/folder/folder.h"

enum { KEY_HEIGHT = 22 };

/* ---- a whole figure ---- */

typedef struct Layout {
  size_t columns, width, height, panels_height, keys_height;
} Layout;

static double key_width(const Key *key) { return 44 + LETTER * (double)strlen(key->label); }

static size_t key_lines(const Figure *figure, size_t width) {
  size_t lines = figure->key_count > 0;
  double x = 12;
  for (size_t i = 0; i < figure->key_count; i++) {
    if (x > 12 && x + key_width(&figure->keys[i]) > (double)width) x = 12, lines++;
    x += key_width(&figure->keys[i]);
  }
  return lines;
}

static Layout layout_of(const Figure *figure) {
  Layout layout = {.columns = figure->count < figure->columns ? figure->count : figure->columns};
  if (figure->count == 4 && layout.columns == 3) layout.columns = 2;
  size_t rows = (figure->count + layout.columns - 1) / layout.columns;
  for (size_t i = 0; i < figure->count; i++) {
    size_t height = panel_height(&figure->panels[i]);
    if (height > layout.panels_height) layout.panels_height = height;
  }
  layout.width = layout.columns * PANEL_WIDTH;
  layout.keys_height = KEY_HEIGHT * key_lines(figure, layout.width);
  layout.height = rows * layout.panels_height + layout.keys_height;
  return layout;
}

/* The key above all panels, as arrows and labels of the screen. */
static void keys_write(Plotter *plotter, const Figure *figure, const Layout *layout) {
  double x = 12, y = 14;
  for (size_t i = 0; i < figure->key_count; i++) {
    const Key *key = &figure->keys[i];
    if (x > 12 && x + key_width(key) > (double)layout->width) x = 12, y += KEY_HEIGHT;
    double at = 1 - y / (double)layout->height, width = (double)layout->width;
    fprintf(plotter->out,
            "set arrow %zu from screen %.5f,%.5f to screen %.5f,%.5f nohead lw 2.5 dt %d lc "
            "rgb '%s'\nset label %zu ",
            100 + i, x / width, at, (x + 22) / width, at, key->dashed ? 2 : 1, key->colour,
            100 + i);
    plot_quoted(key->label, plotter->out);
    fprintf(plotter->out, " at screen %.5f,%.5f left tc rgb '" INK "'\n", (x + 28) / width, at);
    x += key_width(key);
  }
}

static void figure_write(Plotter *plotter, const Figure *figure) {
  Layout layout = layout_of(figure);
  fprintf(plotter->out, "set multiplot\n");
  keys_write(plotter, figure, &layout);
  for (size_t i = 0; i < figure->count; i++) {
    double rows = (double)(i / layout.columns + 1) * (double)layout.panels_height;
    double top = (double)layout.keys_height + rows;
    fprintf(plotter->out, "set size %.6f,%.6f\nset origin %.6f,%.6f\n", 1 / (double)layout.columns,
            (double)layout.panels_height / (double)layout.height,
            (double)(i % layout.columns) / (double)layout.columns, 1 - top / (double)layout.height);
    panel_write(plotter, &figure->panels[i]);
    for (size_t k = 0; i == 0 && k < figure->key_count; k++)
      fprintf(plotter->out, "unset arrow %zu\nunset label %zu\n", 100 + k, 100 + k);
  }
  fprintf(plotter->out, "unset multiplot\nset size 1,1\nset origin 0,0\n");
}

static void svg_begin(const Plotter *plotter, size_t width, size_t height, const char *file) {
  fprintf(plotter->out,
          "set terminal svg size %zu,%zu dynamic noenhanced font 'sans-serif,12' linewidth 1 "
          "background 'white'\nset output '%s'\n",
          width, height, file);
}

static void script_write(Plotter *plotter, const ReportFigures *figures) {
  fprintf(plotter->out, "set encoding utf8\nset key off\nset datafile missing 'nan'\n");
  for (size_t f = 0; f < figures->count; f++) {
    const Figure *figure = &figures->figure[f];
    Layout layout = layout_of(figure);
    ranges_share(&figures->figure[f]);
    for (size_t i = 0; i < figure->count; i++) {
      svg_begin(plotter, PANEL_WIDTH, panel_height(&figure->panels[i]),
                arena_printf(plotter->arena, "panel-%zu-%zu.svg", f, i));
      panel_write(plotter, &figure->panels[i]);
    }
    svg_begin(plotter, layout.width, layout.height,
              arena_printf(plotter->arena, "%s.svg", figure->name));
    figure_write(plotter, figure);
    fprintf(plotter->out,
            "set terminal pdfcairo size %.3f,%.3f noenhanced font 'Sans,9' linewidth 1\nset output "
            "'%s.pdf'\n",
            (double)layout.width / 100, (double)layout.height / 100, figure->name);
    figure_write(plotter, figure);
  }
  fprintf(plotter->out, "unset output\n");
}

/* ---- what gnuplot wrote ---- */

/* The date that a PDF says it was made on would be another each time. */
static bool pdf_date_set(Arena *arena, const char *path, const char *date) {
  static const char mark[] = "/CreationDate (D:";
  FILE *file = fopen(path, "r+");
  if (!file) return false;
  const char *reason;
  size_t size = 0;
  char *bytes = source_bytes(arena, path, &size, &reason);
  char *at = bytes ? memmem(bytes, size, mark, sizeof mark - 1) : NULL;
  bool good = at && at + sizeof mark - 1 + 14 <= bytes + size &&
              fseek(file, at - bytes + (long)sizeof mark - 1, SEEK_SET) == 0 &&
              fwrite(date, 1, 14, file) == 14;
  return fclose(file) == 0 && good;
}

/* ---- pictures in the page ---- */

/* Leaves out from `begin` to `end`, all of them. */
static void cut(char *text, const char *begin, const char *end) {
  for (char *at = text; (at = strstr(at, begin));) {
    char *behind = strstr(at + strlen(begin), end);
    if (!behind) return;
    behind += strlen(end);
    memmove(at, behind, strlen(behind) + 1);
  }
}

/* What gnuplot wrote, without what a page has already or must not have twice. */
static const char *svg_inline(Arena *arena, const char *path) {
  const char *reason = NULL;
  Source *source = source_read(arena, path, &reason);
  const char *from = source ? strstr(source->text, "<svg") : NULL;
  if (!from) return NULL;
  char *text = arena_copy(arena, from, strlen(from));
  static const char *const parts[][2] = {
      {" xmlns=\"", "\""},       {" xmlns:xlink=\"", "\""},    {"<title>", "</title>"},
      {"<desc>", "</desc>"},     {"<defs>", "</defs>"},        {" id=\"", "\""},
      {" font-family=\"", "\""}, {" stroke-linecap=\"", "\""}, {" stroke-linejoin=\"", "\""}};
  for (size_t i = 0; i < COUNTOF(parts); i++) cut(text, parts[i][0], parts[i][1]);
  return text;
}

static bool publish(Arena *arena, const Figure *figure, const char *from, const char *to,
                    const char *date) {
  static const char *const kinds[] = {"svg", "pdf"};
  for (size_t i = 0; i < COUNTOF(kinds); i++) {
    const char *path = arena_printf(arena, "%s/%s.%s", from, figure->name, kinds[i]);
    if (i == 1 && !pdf_date_set(arena, path, date)) return false;
    if (rename(path, arena_printf(arena, "%s/%s.%s", to, figure->name, kinds[i])) != 0)
      return false;
  }
  return true;
}

static const char *collect(Arena *arena, ReportFigures *figures, const char *work, const char *to,
                           const char *date) {
  for (size_t f = 0; f < figures->count; f++) {
    Figure *figure = &figures->figure[f];
    const char **inlined = NEW_ARRAY(arena, const char *, figure->count);
    for (size_t i = 0; i < figure->count; i++) {
      inlined[i] = svg_inline(arena, arena_printf(arena, "%s/panel-%zu-%zu.svg", work, f, i));
      if (!inlined[i]) return "gnuplot wrote no SVG";
    }
    if (!publish(arena, figure, work, to, date))
      return "gnuplot wrote no PDF: it may lack the terminal pdfcairo";
    figure->inlined = inlined;
  }
  return NULL;
}

static const char *draw_in(Arena *arena, ReportFigures *figures, const char *work, const char *to,
                           const char *date) {
  FILE *out = fopen(arena_printf(arena, "%s/plot.gp", work), "w");
  if (!out) return "no place to draw in";
  Plotter plotter = {.arena = arena, .out = out};
  script_write(&plotter, figures);
  if (fclose(out) != 0) return "no room to draw in";
  char *const arguments[] = {"gnuplot", "-d", "plot.gp", NULL};
  const char *words = arena_printf(arena, "%s/said.txt", work);
  int status = program_run(arguments, work, words);
  if (status == -ENOENT) return "gnuplot is not installed (Debian: gnuplot-nox)";
  if (status < 0) return arena_printf(arena, "gnuplot cannot be started: %s", strerror(-status));
  if (status == 0) return collect(arena, figures, work, to, date);
  const char *reason = NULL;
  Source *said = source_read(arena, words, &reason);
  return arena_printf(arena, "gnuplot failed: %.200s", said ? said->text : "it said nothing");
}

void figures_draw(Arena *arena, ReportFigures *figures, const char *folder, const char *date) {
  char *work = arena_printf(arena, "%s/draw", folder);
  const char *to = arena_printf(arena, "%s/figures", folder);
  if (!folder_make(work) || !folder_make(to))
    figures->missing = "no place to draw in";
  else
    figures->missing = draw_in(arena, figures, work, to, date);
  for (size_t f = 0; figures->missing && f < figures->count; f++) figures->figure[f].inlined = NULL;
  folder_remove(work);
}
