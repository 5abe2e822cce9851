/* Specs with one token deleted, misspelt or doubled: each elaborates or is refused with a message,
 * never with a crash or a hang, and what is refused is mostly refused on the line that was changed.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/commands/session.h"
#include "tests/suite.h"

static const char *const specs[] = {"specs/sac.yaml", "specs/remac.yaml",
                                    "specs/toy/vector_field.yaml"};

enum { MAX_TOKENS = 16384, SECONDS = 60 };

typedef struct Token {
  size_t begin, end;
  uint32_t line;
} Token;

typedef struct Counts {
  size_t valid, refused, placed; /* placed: an error stands on the changed line */
} Counts;

/* ---- tokens ---- */

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Words and single signs, without blanks and comments. */
static size_t tokens_find(const char *text, size_t size, Token *tokens) {
  size_t count = 0;
  uint32_t line = 1;
  for (size_t i = 0; i < size;) {
    bool comment = text[i] == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\n');
    if (comment)
      i += strcspn(text + i, "\n");
    else if (text[i] == ' ' || text[i] == '\n')
      line += text[i++] == '\n';
    else {
      size_t end = i + 1;
      while (is_word(text[i]) && end < size && is_word(text[end])) end++;
      ck_assert_uint_lt(count, MAX_TOKENS);
      tokens[count++] = (Token){i, end, line};
      i = end;
    }
  }
  return count;
}

/* ---- mutations ---- */

typedef enum Mutation { DELETED, MISSPELT, DOUBLED, MUTATIONS } Mutation;

static const char *const mutation_names[] = {"deleted", "misspelt", "doubled"};

/* The text with one token changed; NULL where the change is none. */
static char *mutated(Arena *arena, const Source *source, const Token *token, Mutation mutation) {
  size_t begin = token->begin, end = token->end, length = end - begin;
  const char *text = source->text, *tail = text + end;
  const char *word = arena_copy(arena, text + begin, length);
  int head = (int)begin;
  if (mutation == DELETED) return arena_printf(arena, "%.*s%s", head, text, tail);
  if (mutation == DOUBLED) {
    bool letters = is_word(*word);
    return arena_printf(arena, "%.*s%s%s%s%s", head, text, word, letters ? " " : "", word, tail);
  }
  if (!is_word(*word)) return NULL;
  char *other = arena_copy(arena, word, length);
  char *letter = other + length / 2;
  *letter = *letter >= '0' && *letter <= '9' ? (char)('0' + (*letter - '0' + 7) % 10)
            : *letter == 'q'                 ? 'x'
                                             : 'q';
  return arena_printf(arena, "%.*s%s%s", head, text, other, tail);
}

/* ---- one run of the front ---- */

/* Reads the messages: whether an error stands on that line of the file. */
static bool is_placed(const char *messages, const char *name, uint32_t line) {
  size_t length = strlen(name);
  for (const char *at = messages; (at = strstr(at, name)); at += length) {
    if ((at != messages && at[-1] != '\n') || at[length] != ':') continue;
    char *end;
    unsigned long found = strtoul(at + length + 1, &end, 10);
    size_t rest = strcspn(end, "\n");
    const char *error = strstr(end, ": error: ");
    if (found == line && error && (size_t)(error - end) < rest) return true;
  }
  return false;
}

/* `prelude`: it is the prelude that is changed, and the spec is the first one. */
static void run_one(const char *path, const char *text, uint32_t line, bool prelude,
                    Counts *counts) {
  Arena *arena = arena_make();
  FILE *out = fopen(path, "wb");
  ck_assert(out != NULL);
  fputs(text, out);
  fclose(out);
  Session session = {.arena = arena, .diag = diag_make(arena), .spec = prelude ? specs[0] : path};
  const char *normalize = "env.normalize=obs";
  if (prelude) session.prelude = path, session.overrides = &normalize, session.override_count = 1;
  char *messages = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&messages, &size), *former = stderr;
  stderr = memory;
  bool good = session_elaborate(&session);
  if (good) {
    PipelineOptions options = {.out = memory};
    pipeline_run(session.elaborated->module, &options); /* verifies after each pass, or exits */
  }
  stderr = former;
  fclose(memory);
  ck_assert_msg(good == !strstr(messages, "error: "), "good is %d, but it says\n%s", good,
                messages);
  counts->valid += good;
  counts->refused += !good;
  counts->placed += !good && is_placed(messages, path, line);
  if (!good && getenv("MUTATION_SHOW") && !is_placed(messages, path, line))
    printf("line %u\n%s\n", line, messages);
  free(messages);
  arena_free(arena);
}

/* ---- all of them, in a child that may crash ---- */

/* What the child is at, for the parent to name when it dies. */
typedef struct Progress {
  Counts counts;
  Token token;
  Mutation mutation;
} Progress;

static void child_run(const Source *source, const char *path, Mutation mutation, bool prelude,
                      int out) {
  static Token tokens[MAX_TOKENS];
  Progress progress = {.mutation = mutation};
  size_t count = tokens_find(source->text, source->size, tokens);
  for (size_t i = 0; i < count; i += prelude ? 3 : 1) {
    Arena *arena = arena_make();
    char *text = mutated(arena, source, &tokens[i], mutation);
    progress.token = tokens[i];
    if (write(out, &progress, sizeof progress) != sizeof progress) _exit(3);
    alarm(SECONDS);
    if (text) run_one(path, text, tokens[i].line, prelude, &progress.counts);
    arena_free(arena);
  }
  alarm(0);
  if (write(out, &progress, sizeof progress) != sizeof progress) _exit(3);
}

static Counts batch(const Source *source, const char *path, Mutation mutation, bool prelude) {
  int pipes[2];
  ck_assert_int_eq(pipe(pipes), 0);
  fflush(stdout);
  pid_t pid = fork();
  ck_assert(pid >= 0);
  if (pid == 0) {
    close(pipes[0]);
    child_run(source, path, mutation, prelude, pipes[1]);
    fflush(stdout);
    _exit(0);
  }
  close(pipes[1]);
  Progress last = {0}, read_one;
  while (read(pipes[0], &read_one, sizeof read_one) == (ssize_t)sizeof read_one) last = read_one;
  close(pipes[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                "%s: status %d with '%.*s' of line %u %s", source->name, status,
                (int)(last.token.end - last.token.begin), source->text + last.token.begin,
                last.token.line, mutation_names[mutation]);
  return last.counts;
}

/* The file is written beside the others, since remac.yaml extends sac.yaml. */
START_TEST(every_token) {
  Arena *arena = arena_make();
  const char *error = NULL, *name = specs[_i];
  Source *source = source_read(arena, name, &error);
  ck_assert_msg(source != NULL, "%s: %s", name, error);
  char folder[] = P_tmpdir "/rlc_mutation_XXXXXX";
  ck_assert(mkdtemp(folder) != NULL);
  const char *base = arena_printf(arena, "%s/sac.yaml", folder),
             *path = arena_printf(arena, "%s/case.yaml", folder);
  FILE *out = fopen(base, "wb");
  ck_assert(out != NULL);
  fputs(source_read(arena, specs[0], &error)->text, out);
  fclose(out);
  Counts sum = {0};
  for (Mutation mutation = 0; mutation < MUTATIONS; mutation++) {
    Counts counts = batch(source, path, mutation, false);
    printf("%-28s %-9s %4zu refused (%zu%% on the line), %4zu valid\n", name,
           mutation_names[mutation], counts.refused,
           counts.refused ? 100 * counts.placed / counts.refused : 100, counts.valid);
    sum.refused += counts.refused, sum.placed += counts.placed, sum.valid += counts.valid;
  }
  unlink(path), unlink(base), rmdir(folder);
  ck_assert_uint_gt(sum.refused, 100);
  ck_assert_msg(sum.placed * 100 >= sum.refused * 80, "%zu of %zu errors stand on the changed line",
                sum.placed, sum.refused);
  arena_free(arena);
}
END_TEST

/* Another prelude is the user's text too. Every third token, for time; where the mistakes show is
 * not asked. */
START_TEST(tokens_of_the_prelude) {
  Arena *arena = arena_make();
  Source *source = source_from_text(arena, "the prelude", dsl_prelude);
  char path[] = P_tmpdir "/rlc_mutation_XXXXXX";
  int file = mkstemp(path);
  ck_assert(file >= 0);
  close(file);
  for (Mutation mutation = 0; mutation < DOUBLED; mutation++) {
    Counts counts = batch(source, path, mutation, true);
    printf("%-28s %-9s %4zu refused, %4zu valid\n", source->name, mutation_names[mutation],
           counts.refused, counts.valid);
    ck_assert_uint_gt(counts.refused, 100);
  }
  unlink(path);
  arena_free(arena);
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("mutation");
  TCase *tcase = tcase_create("all");
  tcase_add_loop_test(tcase, every_token, 0, COUNTOF(specs));
  tcase_add_test(tcase, tokens_of_the_prelude);
  tcase_set_timeout(tcase, 300);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
