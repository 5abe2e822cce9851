/* `rlc report`: a study's folder becomes DIR/report. It is made beside the old one and takes its
 * place as a whole, so that whoever reads it meanwhile finds one or the other. */
#define _GNU_SOURCE
#include "compiler/study/report/report.h"
#include "compiler/study/report/page.h"
#include "compiler/study/folder/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a report that was killed leaves goes after a day: no report takes so long to make. */
enum { LEFT_SECONDS = 24 * 3600 };

/* ---- files ---- */

typedef struct Files {
  Arena *arena;
  const char *folder;
  bool good;
} Files;

static FILE *file_open(Files *files, const char *name) {
  FILE *out = fopen(arena_printf(files->arena, "%s/%s", files->folder, name), "w");
  if (!out && files->good)
    fprintf(stderr, "error: cannot write '%s/%s': %s\n", files->folder, name, strerror(errno));
  files->good &= out != NULL;
  return out;
}

static void file_close(Files *files, FILE *out, const char *name) {
  bool good = !ferror(out);
  good &= fclose(out) == 0;
  if (!good && files->good)
    fprintf(stderr, "error: cannot write '%s/%s': %s\n", files->folder, name, strerror(errno));
  files->good &= good;
}

static void write_table(Files *files, const ReportTable *table) {
  const char *csv = arena_printf(files->arena, "tables/%s.csv", table->name);
  const char *latex = arena_printf(files->arena, "tables/%s.tex", table->name);
  FILE *out = file_open(files, csv);
  if (out) table_csv(table, out), file_close(files, out, csv);
  out = table->data ? NULL : file_open(files, latex);
  if (out) table_latex(table, out), file_close(files, out, latex);
}

static void write_scores(Files *files, const Results *results, ScoresKind kind, const char *name) {
  FILE *out = file_open(files, name);
  if (out) scores_json(results, kind, out), file_close(files, out, name);
}

static void write_files(Files *files, const Page *page) {
  for (size_t i = 0; i < page->tables->count; i++) write_table(files, &page->tables->table[i]);
  write_scores(files, page->results, SCORES_RAW, "scores.json");
  if (page->results->normalised)
    write_scores(files, page->results, SCORES_SCALED, "scores_normalised.json");
  if (page->results->of[STUDY_FAILED])
    write_scores(files, page->results, SCORES_FAILED, "scores_failed.json");
  FILE *out = file_open(files, "report.html");
  if (out) page_write(page, out), file_close(files, out, "report.html");
}

/* ---- the folder ---- */

/* Puts `made` in the place of `path`, whatever others put there or take away meanwhile. Where two
 * names cannot be exchanged at once the old one goes away first, and comes back if that was in
 * vain. False after a message, without `made`. */
static bool take_place(Arena *arena, const char *made, const char *path) {
  const char *old = arena_printf(arena, "%s.old", made);
  bool again;
  do {
    if (renameat2(AT_FDCWD, made, AT_FDCWD, path, RENAME_EXCHANGE) == 0) return folder_remove(made);
    bool away = errno != ENOENT && rename(path, old) == 0;
    if (!away && errno != ENOENT) break;
    if (rename(made, path) == 0) return !away || folder_remove(old);
    int reason = errno;
    again = reason == ENOTEMPTY || reason == EEXIST; /* another report is there since */
    if (away && again && !folder_remove(old)) break;
    if (away && !again && rename(old, path) != 0)
      fprintf(stderr, "error: the report is now '%s': %s\n", old, strerror(errno));
    errno = reason;
  } while (again);
  fprintf(stderr, "error: cannot put '%s' in place: %s\n", path, strerror(errno));
  folder_remove(made);
  return false;
}

/* Removes what reports left that were killed, and nothing that one may be making now. */
static void leftovers_remove(Arena *arena, const char *folder) {
  DIR *list = opendir(folder);
  struct stat status;
  for (struct dirent *entry; list && (entry = readdir(list));) {
    if (strncmp(entry->d_name, ".report-", strlen(".report-")) != 0) continue;
    const char *path = arena_printf(arena, "%s/%s", folder, entry->d_name);
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
        status.st_mtime < time(NULL) - LEFT_SECONDS)
      folder_remove(path);
  }
  if (list) closedir(list);
}

static bool results_write(Session *session, const Results *results, bool asked) {
  Arena *arena = results->arena;
  char *made = arena_printf(arena, "%s/.report-XXXXXX", results->folder);
  if (!mkdtemp(made))
    return fprintf(stderr, "error: cannot make a directory in '%s': %s\n", results->folder,
                   strerror(errno)),
           false;
  chmod(made, 0755);
  Files files = {arena, made, folder_make(arena_printf(arena, "%s/tables", made))};
  Tables tables = tables_make(results);
  ReportFigures figures = figures_make(results, &tables);
  Page page = {
      session, results, &tables, &figures, page_facts(results), pictures_make(results, asked)};
  if (files.good) figures_draw(arena, &figures, made, page.facts.date);
  if (files.good && figures.missing && asked)
    fprintf(stderr, "warning: the report has no figures: %s\n", figures.missing);
  if (files.good) write_files(&files, &page);
  if (!files.good) return folder_remove(made), false;
  if (!take_place(arena, made, arena_printf(arena, "%s/report", results->folder))) return false;
  leftovers_remove(arena, results->folder);
  return true;
}

bool report_make(Session *session, const char *folder, bool asked) {
  Session own = *session;
  own.arena = arena_make();
  own.diag = diag_make(own.arena);
  Study *study = study_open(&own, folder);
  Runner runner = {&own, study, own.arena, folder};
  bool good = study && study_states(&runner);
  if (good) good = results_write(&own, results_read(own.arena, study, folder), asked);
  arena_free(own.arena);
  return good;
}
