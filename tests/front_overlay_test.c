/* What happens to a tree before meaning: overlays, `extends`, assignments on the command line, and
 * the check of keys. */
#include "tests/front.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static Tree *sac_read(Front *f) {
  Tree *tree = tree_load(f->arena, f->diag, "tests/data/front/sac.yaml", "a loss specification");
  ck_assert_msg(tree != NULL, "%s", front_messages(f));
  return tree;
}

/* ---- overlays ---- */

/* base, overlay and what becomes of them, as tree_print writes it. */
static const struct {
  const char *base, *over, *result;
} overlays[] = {
    /* maps merge, keep the base's order, and put new keys at the end */
    {"a: 1\nb: {x: 1, y: 2}\nc: 3\n", "d: 4\nc: 5\nb: {z: 3, x: 9}\n",
     "a: 1\nb:\n  x: 9\n  y: 2\n  z: 3\nc: 5\nd: 4\n"},
    /* lists and scalars replace, also each other and maps */
    {"a: [1, 2]\nb: 1\nc: {x: 1}\nd: {x: 1}\n", "a: [3]\nb: [4]\nc: 5\nd: [6]\n",
     "a: [3]\nb: [4]\nc: 5\nd: [6]\n"},
    /* a map replaces a list, and a value that is no call */
    {"a: [1]\nb: x + y\nc: z\n", "a: {x: 1}\nb: {x: 1}\nc: {x: 1}\n",
     "a:\n  x: 1\nb:\n  x: 1\nc:\n  x: 1\n"},
    /* null, written out, removes */
    {"a: 1\nb: {x: 1, y: 2}\nc: 3\n", "a: null\nb: {x: ~}\n", "b:\n  y: 2\nc: 3\n"},
    {"a: {x: 1}\n", "a: {x: null}\n", "a: {}\n"},
    /* removed by one overlay of the same file and written again elsewhere is no conflict */
    {"a: {x: 1}\nb: 2\n", "b: null\nc: {d: {e: 1}}\n", "a:\n  x: 1\nc:\n  d:\n    e: 1\n"},
    /* an empty map changes nothing; an empty list replaces */
    {"a: {x: 1}\nb: [1]\n", "a: {}\nb: []\n", "a:\n  x: 1\nb: []\n"},
    /* a define is known by its name, with or without its parameters */
    {"define: {\"f(x)\": x, \"g[y](z)\": z}\n", "define: {f: null, \"g(a, b)\": a}\n",
     "define:\n  g(a, b): a\n"},
    /* dotted keys are paths */
    {"a: {b: {c: 1}, d: 2}\n", "a.b.c: 3\na.e: 4\na.d: null\n", "a:\n  b:\n    c: 3\n  e: 4\n"},
    /* named arguments of a call are addressable, nested calls too */
    {"o: adam(lr)\n", "o: {eps: 0.1}\n", "o: adam(lr, eps=0.1)\n"},
    {"o: adam(lr,eps = 1e-5, clip_norm=0.5)\n", "o: {eps: 2 * e, clip_norm: null, beta1: 0.8}\n",
     "o: adam(lr, eps=2 * e, beta1=0.8)\n"},
    {"o: adam(lr=linear(a, b, over=progress), eps=1)\n", "o: {lr: {over: updates}}\n",
     "o: adam(lr=linear(a, b, over=updates), eps=1)\n"},
    {"o: f(a, k=1, b)\n", "o: {k: 2}\n", "o: f(a, k=2, b)\n"},
    {"o: mean[batch](x)\n", "o: {k: 2}\n", "o: mean[batch](x, k=2)\n"},
    {"o: f()\n", "o: {k: 1}\no.j: 2\n", "o: f(k=1, j=2)\n"},
    {"o: f(\"a b\", x=1)\n", "o.x: '\"c\"'\n", "o: f(\"a b\", x=\"c\")\n"},
    /* an optimizer that is not there starts from the default one, as this overlay leaves it */
    {"optimizers: {default: adam(lr)}\n", "optimizers: {actor: {eps: 0.1}}\n",
     "optimizers:\n  default: adam(lr)\n  actor: adam(lr, eps=0.1)\n"},
    {"optimizers: {default: adam(lr)}\n", "optimizers.actor.eps: 0.1\n",
     "optimizers:\n  default: adam(lr)\n  actor: adam(lr, eps=0.1)\n"},
    {"optimizers: {default: adam(lr)}\n",
     "optimizers: {actor: {eps: 0.1}, default: {beta1: 0.8}}\n",
     "optimizers:\n  default: adam(lr, beta1=0.8)\n  actor: adam(lr, beta1=0.8, eps=0.1)\n"},
    {"optimizers: {default: adam(lr), actor: sgd(lr)}\n", "optimizers: {actor: {momentum: 0.1}}\n",
     "optimizers:\n  default: adam(lr)\n  actor: sgd(lr, momentum=0.1)\n"},
    /* what is written short takes its long form when the overlay speaks it (dsl/keys.def) */
    {"env: Hopper-v5\n", "env: {count: 4}\n", "env:\n  id: Hopper-v5\n  count: 4\n"},
    {"env: Hopper-v5\n", "env: {id: Ant-v5}\n", "env:\n  id: Ant-v5\n"},
    {"parameters: {p: log(2)}\n", "parameters: {p: {axes: act}}\n",
     "parameters:\n  p:\n    init: log(2)\n    axes: act\n"},
    {"define: {\"f(x)\": g(x)}\n", "define: {\"f(x)\": {doc: twice}}\n",
     "define:\n  f(x):\n    value: g(x)\n    doc: twice\n"},
    /* but a name that is no key of the long form is an argument */
    {"define: {\"f(x)\": g(x)}\n", "define: {\"f(x)\": {by: 2}}\n",
     "define:\n  f(x): g(x, by=2)\n"},
};

START_TEST(overlays_lay) {
  for (size_t i = 0; i < COUNTOF(overlays); i++) {
    Front f = front_open();
    const Tree *base = front_tree(&f, overlays[i].base), *over = front_tree(&f, overlays[i].over);
    const char *before = front_print(&f, base), *laid = front_print(&f, over);
    const Tree *result = tree_overlay(f.arena, f.diag, base, over);
    ck_assert_msg(result != NULL, "%s on %s: %s", overlays[i].over, overlays[i].base,
                  front_messages(&f));
    ck_assert_str_eq(front_print(&f, result), overlays[i].result);
    ck_assert_str_eq(front_print(&f, base), before); /* neither input is changed */
    ck_assert_str_eq(front_print(&f, over), laid);
    front_close(&f);
  }
}
END_TEST

/* An error in a changed call points at the file where the argument was written. */
START_TEST(overlaid_arguments_keep_their_places) {
  Front f = front_open();
  Source *base = source_from_text(f.arena, "base", "o: adam(lr, eps=base_name)\n");
  Source *over = source_from_text(f.arena, "over", "o: {beta1: over_name}\n");
  const Tree *result = tree_overlay(f.arena, f.diag, tree_parse(f.arena, f.diag, base),
                                    tree_parse(f.arena, f.diag, over));
  const Expr *call = expr_read(f.arena, f.diag, tree_get(result, "o")->text);
  ck_assert_msg(call && call->arg_count == 3, "%s", front_messages(&f));
  diag_error(f.diag, call->args[1].value->span, NULL, "in the base");
  diag_error(f.diag, call->args[2].value->span, NULL, "in the overlay");
  diag_error(f.diag, call->name_span, NULL, "the call");
  ck_assert_str_eq(front_messages(&f), "base:1:4: error: the call\n"
                                       "    1 | o: adam(lr, eps=base_name)\n"
                                       "      |    ^~~~\n"
                                       "base:1:17: error: in the base\n"
                                       "    1 | o: adam(lr, eps=base_name)\n"
                                       "      |                 ^~~~~~~~~\n"
                                       "over:1:12: error: in the overlay\n"
                                       "    1 | o: {beta1: over_name}\n"
                                       "      |            ^~~~~~~~~\n");
  front_close(&f);
}
END_TEST

static void overlay_case(Front *f, const char *name, const char *input) {
  Source *source = source_from_text(f->arena, name, input);
  Tree *over = tree_parse(f->arena, f->diag, source);
  ck_assert_msg(over && !tree_overlay(f->arena, f->diag, sac_read(f), over), "%s passes", name);
}

START_TEST(overlays_refused) {
  ck_assert_uint_ge(front_cases("tests/data/front/overlay.txt", overlay_case), 15);
}
END_TEST

/* ---- the command line ---- */

static const char *printed_value(Front *f, const Tree *tree, const char *a, const char *b) {
  const Tree *value = tree_get(tree_get(tree, a), b);
  ck_assert_msg(value != NULL, "%s.%s is not there", a, b);
  return front_print(f, value);
}

START_TEST(overrides) {
  static const char *const assignments[] = {"tau=0.01",
                                            "name=other",
                                            "constants.gamma=1 - 10 / max_episode_steps",
                                            "losses.actor.minimize=-mean[batch](f(a, b))",
                                            "losses.actor.log=null",
                                            "losses.critic.let.extra=x",
                                            "define.policy=normal[act](o, 1)",
                                            "optimizers.default.eps=1e-5",
                                            "optimizers.default.eps=1e-6",
                                            "optimizers.actor.eps=0.1",
                                            "optimizers.log_alpha.beta1=0.5",
                                            "precision=bf16",
                                            "evaluate.episodes=3",
                                            "env.count=4",
                                            "targets.slow=[actor, critic]",
                                            "constants.lr=null",
                                            "networks.critic.copies={twin: 3}",
                                            "doc=a=b"};
  Front f = front_open();
  const Tree *base = sac_read(&f);
  const char *before = front_print(&f, base);
  const Tree *t = tree_override(f.arena, f.diag, base, assignments, COUNTOF(assignments));
  ck_assert_msg(t != NULL, "%s", front_messages(&f));
  ck_assert_str_eq(front_print(&f, tree_get(t, "name")), "other\n");
  ck_assert_str_eq(printed_value(&f, t, "constants", "tau"), "0.01\n");
  ck_assert_str_eq(printed_value(&f, t, "constants", "gamma"), "1 - 10 / max_episode_steps\n");
  ck_assert_ptr_null(tree_get(tree_get(t, "constants"), "lr"));
  const Tree *actor = tree_get(tree_get(t, "losses"), "actor");
  ck_assert_str_eq(front_print(&f, tree_get(actor, "minimize")), "-mean[batch](f(a, b))\n");
  ck_assert_ptr_null(tree_get(actor, "log"));
  ck_assert_ptr_nonnull(
      tree_get(tree_get(tree_get(tree_get(t, "losses"), "critic"), "let"), "extra"));
  ck_assert_str_eq(printed_value(&f, t, "define", "policy(o)"), "normal[act](o, 1)\n");
  ck_assert_str_eq(printed_value(&f, t, "optimizers", "default"), "adam(lr, eps=1e-6)\n");
  ck_assert_str_eq(printed_value(&f, t, "optimizers", "actor"), "adam(lr, eps=0.1)\n");
  ck_assert_str_eq(printed_value(&f, t, "optimizers", "log_alpha"),
                   "adam(lr, eps=1e-6, beta1=0.5)\n");
  ck_assert_str_eq(front_print(&f, tree_get(t, "precision")), "bf16\n");
  ck_assert_str_eq(printed_value(&f, t, "evaluate", "episodes"), "3\n");
  ck_assert_str_eq(front_print(&f, tree_get(t, "env")), "id: HalfCheetah-v5\ncount: 4\n");
  ck_assert_str_eq(printed_value(&f, t, "targets", "slow"), "[actor, critic]\n");
  ck_assert_str_eq(front_print(&f, tree_get(tree_get(tree_get(t, "networks"), "critic"), "copies")),
                   "twin: 3\n");
  ck_assert_str_eq(front_print(&f, tree_get(t, "doc")), "a=b\n");
  ck_assert_str_eq(front_print(&f, base), before);
  ck_assert_ptr_eq(tree_override(f.arena, f.diag, base, NULL, 0), base);
  ck_assert(tree_check_keys(f.arena, f.diag, t, "spec"));
  front_close(&f);
}
END_TEST

START_TEST(override_places) {
  static const char *const assignments[] = {"losses.actor.minimize=mean[batch](q) + + 1", "gamma=1",
                                            "losses.actor.lett={}"};
  Front f = front_open();
  const Tree *t = tree_override(f.arena, f.diag, sac_read(&f), assignments, 3);
  ck_assert(t && !tree_check_keys(f.arena, f.diag, t, "spec"));
  ck_assert_str_eq(front_messages(&f),
                   "<command line>:1:40: error: expected an expression but found '+'\n"
                   "    1 | losses.actor.minimize=mean[batch](q) + + 1\n"
                   "      |                                        ^ there is no unary '+'\n"
                   "<command line>:1:14: error: unknown key 'lett' in 'losses.actor'\n"
                   "    1 | losses.actor.lett={}\n"
                   "      |              ^~~~ did you mean 'let'?\n");
  front_close(&f);
}
END_TEST

/* `env=NAME` on a map is another environment and the end of its other keys: said, with the way out.
 */
START_TEST(override_by_a_name_tells_what_goes) {
  static const char text[] = "name: x\nenv: {id: HalfCheetah-v5, count: 4, clip: 10}\n";
  static const struct {
    const char *assignment, *message;
  } cases[] = {{"env=Ant-v5", "<command line>:1:1: warning: this replaces all of 'env': 'count', "
                              "'clip' no longer hold\n"
                              "    1 | env=Ant-v5\n"
                              "      | ^~~ env.id=Ant-v5 keeps them\n"},
               {"env.id=Ant-v5", ""},
               {"env={id: Ant-v5}", ""},
               {"env.count=8", ""}};
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    Front f = front_open();
    const Tree *base = front_tree(&f, text);
    ck_assert(tree_override(f.arena, f.diag, base, &cases[i].assignment, 1));
    ck_assert_str_eq(front_messages(&f), cases[i].message);
    front_close(&f);
  }
}
END_TEST

static void override_case(Front *f, const char *name, const char *input) {
  ck_assert_msg(!tree_override(f->arena, f->diag, sac_read(f), &input, 1), "%s passes", name);
}

START_TEST(overrides_refused) {
  ck_assert_uint_ge(front_cases("tests/data/front/override.txt", override_case), 20);
}
END_TEST

/* ---- files ---- */

/* A folder of files that are there while a test looks at them, so that messages have short paths.
 */
typedef struct Folder {
  char path[64];
  int before;
} Folder;

static Folder folder_enter(void) {
  Folder folder = {.path = P_tmpdir "/rlc_front_XXXXXX", .before = open(".", O_RDONLY)};
  ck_assert(folder.before >= 0 && mkdtemp(folder.path) && chdir(folder.path) == 0);
  return folder;
}

static void file_write(const char *path, const char *text, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(text, 1, size, file), size);
  fclose(file);
}

static void folder_leave(Folder *folder) {
  const char *const names[] = {"a.yaml",    "b.yaml",     "c.yaml",   "sac.yaml",  "bad.yaml",
                               "self.yaml", "empty.yaml", "nul.yaml", "sub/d.yaml"};
  for (size_t i = 0; i < COUNTOF(names); i++) unlink(names[i]);
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "%02d.yaml", i);
    unlink(name);
  }
  rmdir("sub");
  ck_assert_int_eq(fchdir(folder->before), 0);
  ck_assert_int_eq(rmdir(folder->path), 0);
  close(folder->before);
}

/* Loads a path and compares the messages, or the tree where there should be none. */
static void load_check(const char *path, const char *expected) {
  Front f = front_open();
  const Tree *tree = tree_load(f.arena, f.diag, path, "a loss specification");
  ck_assert_str_eq(tree ? front_print(&f, tree) : front_messages(&f), expected);
  front_close(&f);
}

#define WRITE(path, text) file_write(path, text, sizeof(text) - 1)

START_TEST(files_that_extend) {
  Folder folder = folder_enter();
  ck_assert_int_eq(mkdir("sub", 0700), 0);
  WRITE("a.yaml", "extends: sub/d.yaml\nx: 1\ny: {p: null}\n");
  WRITE("sub/d.yaml", "extends: ../b.yaml\ny: {q: 2}\nz: 3\n");
  WRITE("b.yaml", "name: b\nx: 0\ny: {p: 1}\n");
  load_check("a.yaml", "name: b\nx: 1\ny:\n  q: 2\nz: 3\n");
  load_check("sub/d.yaml", "name: b\nx: 0\ny:\n  p: 1\n  q: 2\nz: 3\n");
  load_check("./b.yaml", "name: b\nx: 0\ny:\n  p: 1\n");
  folder_leave(&folder);
}
END_TEST

START_TEST(files_in_a_circle) {
  Folder folder = folder_enter();
  WRITE("a.yaml", "extends: ./b.yaml\n");
  WRITE("b.yaml", "extends: c.yaml\n");
  WRITE("c.yaml", "name: c\nextends: b.yaml\n");
  WRITE("self.yaml", "extends: self.yaml\n");
  load_check("a.yaml", "c.yaml:2:10: error: b.yaml extends c.yaml extends b.yaml: a circle\n"
                       "    2 | extends: b.yaml\n"
                       "      |          ^~~~~~ one of them must stand alone\n");
  load_check("self.yaml", "self.yaml:1:10: error: self.yaml extends self.yaml: a circle\n"
                          "    1 | extends: self.yaml\n"
                          "      |          ^~~~~~~~~ one of them must stand alone\n");
  for (int i = 0; i < 20; i++) {
    char name[16], text[32];
    snprintf(name, sizeof name, "%02d.yaml", i);
    file_write(
        name, text,
        (size_t)snprintf(text, sizeof text, i < 19 ? "extends: %02d.yaml\n" : "a: %d\n", i + 1));
  }
  load_check("04.yaml", "a: 20\n");
  load_check("03.yaml", "18.yaml:1:10: error: more than 16 files extend one another\n"
                        "    1 | extends: 19.yaml\n"
                        "      |          ^~~~~~~\n");
  folder_leave(&folder);
}
END_TEST

START_TEST(files_that_cannot_be_read) {
  Folder folder = folder_enter();
  ck_assert_int_eq(mkdir("sub", 0700), 0);
  WRITE("sac.yaml", "extends: sub/e.yaml\n");
  WRITE("sub/d.yaml", "- 1\n");
  WRITE("empty.yaml", "# nothing\n");
  WRITE("nul.yaml", "a: 1\0b\n");
  WRITE("a.yaml", "extends: [x]\n");
  WRITE("b.yaml", "extends:\n");
  WRITE("c.yaml", "extends: sub\n");
  WRITE("bad.yaml", "extends: sub/d.yaml\nlosses: {a: null}\n");
  load_check("sacc.yaml", "rlc: error: cannot read 'sacc.yaml': No such file or directory\n"
                          "      | did you mean 'sac.yaml'?\n");
  load_check("sac", "rlc: error: cannot read 'sac': No such file or directory\n"
                    "      | did you mean 'sac.yaml'?\n");
  load_check("zzzzzzzz", "rlc: error: cannot read 'zzzzzzzz': No such file or directory\n");
  load_check("none/sac.yaml",
             "rlc: error: cannot read 'none/sac.yaml': No such file or directory\n");
  load_check("sac.yaml",
             "sac.yaml:1:10: error: cannot read 'sub/e.yaml': No such file or directory\n"
             "    1 | extends: sub/e.yaml\n"
             "      |          ^~~~~~~~~~ did you mean 'sub/d.yaml'?\n");
  load_check("sub", "rlc: error: cannot read 'sub': is a directory\n"
                    "      | expected the file of a loss specification\n");
  WRITE("sub/config.yaml", "a: 1\n");
  load_check("sub", "rlc: error: cannot read 'sub': is a directory\n"
                    "      | the specification of that run is 'sub/config.yaml'\n");
  ck_assert_int_eq(unlink("sub/config.yaml"), 0);
  load_check("nul.yaml", "rlc: error: cannot read 'nul.yaml': contains a NUL byte\n"
                         "      | expected the file of a loss specification\n");
  load_check("empty.yaml", "empty.yaml: error: the file is empty\n"
                           "      | expected a loss specification\n");
  load_check("sub/d.yaml", "sub/d.yaml:1:1: error: a map of keys should start here\n"
                           "    1 | - 1\n"
                           "      | ^ expected a loss specification\n");
  load_check("bad.yaml", "sub/d.yaml:1:1: error: a map of keys should start here\n"
                         "    1 | - 1\n"
                         "      | ^ expected a loss specification\n");
  load_check("a.yaml", "a.yaml:1:10: error: 'extends' names one file\n"
                       "    1 | extends: [x]\n"
                       "      |          ^ as in extends: sac.yaml\n");
  load_check("b.yaml", "b.yaml:1:1: error: 'extends' names one file\n"
                       "    1 | extends:\n"
                       "      | ^~~~~~~ as in extends: sac.yaml\n");
  load_check("c.yaml", "c.yaml:1:10: error: cannot read 'sub': is a directory\n"
                       "    1 | extends: sub\n"
                       "      |          ^~~ expected the file of a loss specification\n");
  load_check("/dev/zero", "rlc: error: cannot read '/dev/zero': is larger than 16 MiB\n"
                          "      | expected the file of a loss specification\n");
  folder_leave(&folder);
}
END_TEST

/* ---- keys ---- */

START_TEST(keys_of_the_sketches) {
  static const char *const names[] = {"ppo", "qmle",  "remac",       "reppo",
                                      "sac", "study", "pendulum_env"};
  for (size_t i = 0; i < COUNTOF(names); i++) {
    Front f = front_open();
    const char *path = arena_printf(f.arena, "tests/data/front/%s.yaml", names[i]);
    const Tree *tree = tree_load(f.arena, f.diag, path, "a specification");
    bool good = tree && tree_check_keys(f.arena, f.diag, tree, front_table(tree));
    ck_assert_msg(good, "%s", front_messages(&f));
    front_close(&f);
  }
}
END_TEST

static void keys_case(Front *f, const char *name, const char *input) {
  Source *source = source_from_text(f->arena, name, arena_printf(f->arena, "%s\n", input));
  Tree *tree = tree_parse(f->arena, f->diag, source);
  ck_assert_msg(tree && !tree_check_keys(f->arena, f->diag, tree, front_table(tree)), "%s passes",
                name);
}

START_TEST(keys_refused) {
  ck_assert_uint_ge(front_cases("tests/data/front/keys.txt", keys_case), 27);
}
END_TEST

/* The examples of the tables are themselves of the kind they are examples of: each is parsed, and
 * must be a map with the row's last name (or any, where the name is the user's). */
START_TEST(examples_of_keys_parse) {
  char *text = NULL;
  size_t size = 0, rows = 0;
  FILE *out = open_memstream(&text, &size);
  keys_print(out, true);
  fclose(out);
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    if (strncmp(line, "| `", 3)) continue;
    Front f = front_open();
    char *path_end = strchr(line + 3, '`'), *end = strrchr(line, '`');
    ck_assert(path_end && end > path_end);
    *path_end = *end = 0;
    const char *example = path_end + 1 + strlen(path_end + 1);
    while (example[-1] != '`' || example[-2] != ' ' || example[-3] != '|') example--;
    const char *dot = strrchr(line + 3, '.'), *name = dot ? dot + 1 : line + 3;
    const Tree *tree = front_tree(&f, arena_printf(f.arena, "%s\n", example));
    ck_assert_msg(tree && tree->kind == TREE_MAP && tree->entry_count == 1, "%s: %s\n%s", line + 3,
                  example, front_messages(&f));
    const char *shared = "explore"; /* the two rows of act share an example */
    ck_assert_msg(*name == '*' || !strcmp(tree->entries[0].key, name) ||
                      !strcmp(tree->entries[0].key, shared) || strstr(example, name),
                  "%s: %s", line + 3, example);
    rows++;
    front_close(&f);
  }
  free(text);
  ck_assert_uint_ge(rows, 150);
}
END_TEST

START_TEST(key_tables_as_text) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  keys_print(out, false);
  fclose(out);
  ck_assert_ptr_nonnull(strstr(text, "A loss specification\n"));
  ck_assert_ptr_nonnull(strstr(text, "  losses.*.over                    names, required: the "
                                     "parameters it trains; all else is constant\n"));
  ck_assert_ptr_nonnull(strstr(text, "A study\n"));
  free(text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("front_overlay");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, overlays_lay);
  tcase_add_test(tcase, overlaid_arguments_keep_their_places);
  tcase_add_test(tcase, overlays_refused);
  tcase_add_test(tcase, overrides);
  tcase_add_test(tcase, override_places);
  tcase_add_test(tcase, override_by_a_name_tells_what_goes);
  tcase_add_test(tcase, overrides_refused);
  tcase_add_test(tcase, files_that_extend);
  tcase_add_test(tcase, files_in_a_circle);
  tcase_add_test(tcase, files_that_cannot_be_read);
  tcase_add_test(tcase, keys_of_the_sketches);
  tcase_add_test(tcase, keys_refused);
  tcase_add_test(tcase, examples_of_keys_parse);
  tcase_add_test(tcase, key_tables_as_text);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
