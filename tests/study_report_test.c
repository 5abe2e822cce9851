/* The report of a study: numbers, the rule of what is bold, what failed or is not there yet, and a
 * page that stands for itself. */
#include "tests/report_fixture.h"

#include <ctype.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- tables ---- */

START_TEST(scores_are_those_of_the_runs) {
  report_good(&(Made){0});
  assert_file(folder, "report/tables/aggregates.csv",
              "variant,runs,iqm,iqm low,iqm high,mean,mean low,mean high,area,area low,area high\n"
              "sac,3,100,100,100,100,100,100,60,60,60\n"
              "sac lr=1,3,200,200,200,200,200,200,120,120,120\n"
              "\"a <b> & \"\"c\"\"\",3,100,90,110,100,90,110,60,54,66\n");
  assert_file(folder, "report/scores.json",
              "{\n \"sac\": [[100], [100], [100]],\n \"sac lr=1\": [[200], [200], [200]],\n"
              " \"a <b> & \\\"c\\\"\": [[90], [110], [100]]\n}\n");
  HAS("tables/runs.csv", "variant,environment,seed,state,step,score,area,note\n",
      "sac,A-v1,1,done,500,100,60,\n", "sac lr=1,A-v1,1,done,500,200,120,\n");
  HAS("tables/curves.csv", "metric,environment,variant,step,iqm,iqm low,iqm high,runs\n",
      "return,A-v1,sac,100,20,20,20,3\n", "return,A-v1,sac lr=1,500,200,200,200,3\n",
      "entropy,A-v1,sac,100,1,1,1,3\n");
}
END_TEST

START_TEST(a_comparison_is_with_the_same_seed) {
  report_good(&(Made){0});
  assert_file(folder, "report/tables/comparisons.csv",
              "variant,environment,difference,difference low,difference high,p,p_holm,"
              "probability_of_improvement,probability_of_improvement low,"
              "probability_of_improvement high,pairs,p_least\n"
              "sac lr=1,all,100,100,100,0.25,0.5,1,1,1,3,0.25\n"
              "\"a <b> & \"\"c\"\"\",all,0,-10,10,1,1,0.5,0,0.8375,3,0.25\n");
}
END_TEST

START_TEST(points_may_have_different_baselines) {
  report_good(&(Made){.several = true});
  HAS("tables/comparisons.csv", "high,pairs,p_least,against\nsac lr=1,all,100,", ",3,0.25,sac\n",
      "\"a <b> & \"\"c\"\"\",all,-100,", ",3,0.25,sac lr=1\n");
}
END_TEST

START_TEST(environments_are_put_together_only_on_one_scale) {
  report_good(&(Made){.envs = 2});
  HAS("tables/scores.csv", "sac,6,100,100,100,1000,1000,1000\n");
  ck_assert(access(path_in(folder, "report/tables/aggregates.csv").text, F_OK) != 0);
  HAS("tables/comparisons.csv", "sac lr=1,A-v1,100,", "sac lr=1,B-v1,1000,");
  HAS("report.html", "scores are not put together");
  report_good(&(Made){.envs = 2, .normalised = true});
  HAS("tables/aggregates.csv", "median", "optimality_gap", "area", "\nsac,6,0.5,0.5,0.5,");
  HAS("scores_normalised.json", "\"sac\": [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]");
  HAS("tables/curves.csv", "return,all,sac,100,0.1,0.1,0.1,6\n");
}
END_TEST

START_TEST(latex_has_rules_and_escapes) {
  report_good(&(Made){.seeds = 8});
  HAS("tables/aggregates.tex", "\\begin{tabular}{llrrr}\n\\toprule\n", "\\midrule\n",
      "sac lr=1 & 8 & \\textbf{200} {\\scriptsize [200, 200]}",
      "a \\textless{}b\\textgreater{} \\& \"c\"", "\\bottomrule\n\\end{tabular}\n");
}
END_TEST

/* On the scale of `normalize:` more is better whatever is better of raw scores: one way round is
 * right for each, and the other is refused. */
START_TEST(a_scale_has_its_better_end_at_one) {
  char said[4096];
  report_good(&(Made){.normalised = true, .lower = true, .turned = true, .failed = 1});
  HAS("tables/runs.csv", "sac,A-v1,1,failed,200,200,"); /* the worst is the largest */
  HAS("scores_normalised.json", "\"sac\": [[0], [0.5], [0.5]]");
  report_good(&(Made){.seeds = 8, .normalised = true, .lower = true, .turned = true});
  HAS("tables/aggregates.csv", "\nsac,8,0.5,", "\nsac lr=1,8,0,");
  HAS("report.html", "<td>sac</td><td>8</td><td class=\"n\"><b>0.5</b>",
      "<td>sac lr=1</td><td>8</td><td class=\"n\">0 ");
  HAS("tables/comparisons.csv", "sac lr=1,all,-0.5,");
  for (int lower = 0; lower < 2; lower++) {
    study_write(&(Made){.normalised = true, .lower = lower, .turned = !lower});
    ck_assert(!report_ask(said, sizeof said));
    ck_assert_msg(strstr(said, "study.json': what counts as 1 of 'A-v1' is worse than what counts "
                               "as 0: turn the two numbers round"),
                  "%s", said);
  }
}
END_TEST

/* ---- bold ---- */

START_TEST(bold_is_what_nothing_is_told_apart_from) {
  report_good(&(Made){.seeds = 8});
  HAS("report.html", "<td>sac</td><td>8</td><td class=\"n\">100 ",
      "<td>sac lr=1</td><td>8</td><td class=\"n\"><b>200</b>", "<b>200</b>", "<b>120</b>",
      "\"c\"</td><td>8</td><td class=\"n\">100 ",
      "p &gt; 0.05 when the two runs of a seed change places by chance (two-sided, Holm's "
      "correction for 2 comparisons).");
  report_good(&(Made){.seeds = 8, .lower = true});
  HAS("report.html", "<td>sac</td><td>8</td><td class=\"n\"><b>100</b>",
      "<td>sac lr=1</td><td>8</td><td class=\"n\">200",
      "\"c\"</td><td>8</td><td class=\"n\"><b>100</b>");
}
END_TEST

/* Of three pairs an interval is the range of what was seen: a difference that all of them have is
 * one in four by chance. */
START_TEST(nothing_is_bold_where_nothing_could_be_told_apart) {
  report_good(&(Made){0});
  report_lacks("report.html", "<b>");
  HAS("report.html", "Nothing is bold, for nothing could be told apart: 3 pairs can reach p = 0.25 "
                     "at least, and 0.5 with Holm's correction for 2 comparisons; 0.05 is asked.");
  report_good(&(Made){.seeds = 6}); /* enough for one comparison, and not for two */
  report_lacks("report.html", "<b>");
  HAS("report.html", "6 pairs can reach p = 0.031 at least, and 0.062 with");
  report_good(&(Made){.seeds = 7});
  HAS("report.html", "<b>200</b>");
}
END_TEST

/* The mean cannot tell a variant apart that one run drags down; what leaves this run out can. */
START_TEST(each_column_goes_by_its_own_statistic) {
  report_good(&(Made){.seeds = 9, .outlier = true});
  HAS("report.html", "<td>sac lr=1</td><td>9</td><td class=\"n\"><b>203.9</b> <small>[",
      "</small></td><td class=\"n\">−373.7");
  Bytes page = report_file("report.html");
  size_t count = 0;
  for (const char *at = page.data; (at = strstr(at, "<b>")); at++) count++;
  ck_assert_uint_eq(count, 1);
  free(page.data);
}
END_TEST

START_TEST(an_iqm_of_few_runs_is_a_mean_and_says_so) {
  report_good(&(Made){0});
  HAS("report.html", "rounded down: of 3 none, so that it is their mean here");
  report_good(&(Made){.seeds = 4});
  report_lacks("report.html", "it is their mean here");
}
END_TEST

START_TEST(one_seed_has_no_intervals_and_nothing_bold) {
  report_good(&(Made){.seeds = 1});
  assert_file(folder, "report/tables/aggregates.csv",
              "variant,runs,iqm,iqm low,iqm high,mean,mean low,mean high,area,area low,area high\n"
              "sac,1,100,,,100,,,60,,\nsac lr=1,1,200,,,200,,,120,,\n"
              "\"a <b> & \"\"c\"\"\",1,90,,,90,,,54,,\n");
  HAS("report.html", "One seed: there are no intervals");
  report_lacks("report.html", "<b>");
}
END_TEST

/* ---- what is not there ---- */

START_TEST(a_failed_run_is_shown_and_counts_as_the_worst) {
  report_good(&(Made){.failed = 2});
  HAS("tables/runs.csv", "sac lr=1,A-v1,1,failed,200,80,,loss 'critic' is <nan>\n");
  HAS("tables/aggregates.csv", "sac lr=1,\"3, 1 failed\",", ",160,80,200,");
  HAS("report.html", "1 of 9 runs failed", "<h3>Failed</h3>",
      "sac lr=1, A-v1, seed 1, after 200 steps", "loss 'critic' is &lt;nan&gt;",
      "runs/sac_lr=1/A-v1/seed-1.log");
}
END_TEST

/* What failed runs count as was not measured: it has no interval, and is marked. */
START_TEST(failed_runs_alone_have_no_interval) {
  report_good(&(Made){.fails = 2});
  HAS("tables/aggregates.csv", "sac lr=1,\"3, 3 failed\",80,,,80,,,,,\n");
  HAS("tables/comparisons.csv", "sac lr=1,all,-20,,,0.25,0.5,0,,,3,0.25\n");
  HAS("tables/aggregates.tex", "sac lr=1 & 3, 3 failed & 80$^\\dagger$ & 80$^\\dagger$ & -- \\\\");
  HAS("report.html", "<td>sac lr=1</td><td>3, 3 failed</td><td class=\"n\">80†</td>",
      "†: failed runs count in it, and intervals take what they count as for what was measured; "
      "where all count as one number there is no interval. area leaves failed runs out.");
  HAS("scores.json", "\"sac lr=1\": [[80], [80], [80]]");
  assert_file(folder, "report/scores_failed.json",
              "{\n \"sac\": [[false], [false], [false]],\n \"sac lr=1\": [[true], [true], "
              "[true]],\n \"a <b> & \\\"c\\\"\": [[false], [false], [false]]\n}\n");
  report_good(&(Made){0});
  report_lacks("report.html", "†");
  ck_assert(access(path_in(folder, "report/scores_failed.json").text, F_OK) != 0);
}
END_TEST

START_TEST(an_unfinished_study_says_so) {
  report_good(&(Made){.done = 4});
  HAS("report.html", "<strong>Unfinished:</strong> 4 of 9 runs done");
  HAS("tables/aggregates.csv", "sac,2 of 3,100,100,100,", "sac lr=1,1 of 3,200,,,");
  HAS("tables/runs.csv", "sac lr=1,A-v1,2,waiting,0,,,\n");
  report_good(&(Made){.failed = 100, .done = 9});
  report_lacks("report.html", "Unfinished");
}
END_TEST

/* Of trainers that left no checksums; tables of a run that goes on may end anywhere. */
START_TEST(tables_that_end_within_a_line_give_no_score) {
  char said[4096];
  study_write(&(Made){0});
  made_text("runs/sac/A-v1/seed-1/evaluations.csv", "step,eval/mean_reward\n100,20\n500,10");
  made_text("runs/sac/A-v1/seed-2/evaluations.csv", "step,eval/mean_reward\n100,20\n500,nan\n");
  made_text("runs/sac/A-v1/seed-3/evaluations.csv", "");
  made_text("runs/sac/A-v1/seed-3/progress.csv", "");
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  HAS("tables/runs.csv", "sac,A-v1,1,done,500,,,its evaluations.csv ends within a line\n",
      "sac,A-v1,2,done,0,,,", "evaluations.csv:3: what is not a number\n",
      "sac,A-v1,3,done,0,,,it is done and has logged nothing\n");
}
END_TEST

/* No word of brackets, or of what is left out, where no number has them. */
START_TEST(captions_are_of_what_is_there) {
  report_good(&(Made){.done = 1});
  report_lacks("report.html", "Brackets: ");
  report_good(&(Made){.done = 9, .seeds = 4});
  HAS("report.html", "Brackets: ");
  study_write(&(Made){.done = 1});
  tree_remove(path_in(folder, "runs").text);
  char said[4096];
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  report_lacks("report.html", "iqm leaves out");
}
END_TEST

START_TEST(nothing_has_run_yet) {
  study_write(&(Made){.done = 1});
  tree_remove(path_in(folder, "runs").text);
  char said[4096];
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  HAS("report.html", "0 of 9 runs done", "None of its runs has begun");
}
END_TEST

static void refused(const char *json, const char *why) {
  char said[4096];
  if (json) made_text("study.json", json);
  ck_assert(!report_ask(said, sizeof said));
  ck_assert_msg(strstr(said, why) != NULL, "'%s' is not in '%s'", why, said);
}

START_TEST(what_is_no_study_is_refused) {
  refused(NULL, "it has no study.json");
  refused("{\"study\": ", "is damaged");
  refused("{\"study\": \"x\"}", "it lacks 'seeds'");
  refused("{\"study\": \"x\", \"seeds\": [], \"envs\": [\"E\"], \"points\": []}",
          "it lacks 'metric'");
  refused("{\"version\": 99, \"study\": \"x\"}", "is of version 99, and this rlc reads 1");
  static const char run[] =
      "{\"study\": \"x\", \"seeds\": [1], \"envs\": [\"E\"], \"score\": {\"metric\": \"return\"}, "
      "\"points\": [{\"name\": \"a\", \"folder\": \"a\", \"variant\": \"a\"}], \"runs\": "
      "[{\"point\": \"a\", \"env\": \"E\", \"hash\": \"0\", \"folder\": \"runs/../../x\"}]}";
  refused(run, "a run of no point, no environment or no folder");
  study_write(&(Made){0});
  made_text("runs/sac/A-v1/seed-1/evaluations.csv", "step,eval/mean_reward\n100,x\n");
  char said[4096];
  ck_assert(report_ask(said, sizeof said));
  HAS("tables/runs.csv", "sac,A-v1,1,done,0,,,", "evaluations.csv:2:");
}
END_TEST

/* ---- the page ---- */

typedef struct Tags {
  char open[64][32];
  size_t depth;
} Tags;

/* One tag: names nest, attributes are in quotes. Returns what is behind it. */
static const char *tag_read(Tags *tags, const char *at) {
  bool closes = at[1] == '/';
  char name[32] = "";
  at += 1 + closes;
  for (size_t i = 0; isalnum((unsigned char)*at) && i < 31; i++) name[i] = *at++;
  const char *end = at;
  for (char quote = 0; *end && (quote || *end != '>'); end++)
    if (*end == quote)
      quote = 0;
    else if (!quote && (*end == '"' || *end == '\''))
      quote = *end;
  ck_assert_msg(*end == '>', "<%s does not end", name);
  bool empty = end[-1] == '/' || strcmp(name, "meta") == 0 || strcmp(name, "br") == 0;
  if (closes) {
    ck_assert_msg(tags->depth > 0 && strcmp(tags->open[tags->depth - 1], name) == 0,
                  "</%s> closes <%s>: %.80s", name, tags->depth ? tags->open[tags->depth - 1] : "",
                  at);
    tags->depth--;
  } else if (!empty) {
    ck_assert_uint_lt(tags->depth, 64);
    strcpy(tags->open[tags->depth++], name);
  }
  return end + 1;
}

static void well_formed(const char *page) {
  Tags tags = {0};
  const char *at = strstr(page, "<html");
  ck_assert(strncmp(page, "<!DOCTYPE html>\n<html", 21) == 0);
  while ((at = strchr(at, '<'))) {
    bool style = strncmp(at, "<style>", 7) == 0;
    ck_assert_msg(isalpha((unsigned char)at[1]) || at[1] == '/', "a bare <: %.60s", at);
    at = tag_read(&tags, at);
    if (style) at = strstr(at, "</style>");
  }
  ck_assert_uint_eq(tags.depth, 0);
}

START_TEST(the_page_stands_for_itself) {
  static const char *const foreign[] = {"http:",   "https:",  " src=", "url(",
                                        "@import", "<script", "<link", "<iframe"};
  report_good(&(Made){.envs = 2, .normalised = true, .failed = 3});
  Bytes page = report_file("report.html");
  well_formed(page.data);
  for (size_t i = 0; i < COUNTOF(foreign); i++)
    ck_assert_msg(!strstr(page.data, foreign[i]), "the page has '%s'", foreign[i]);
  free(page.data);
  HAS("report.html", "name=\"viewport\"", "<h1>small &lt;study&gt;</h1>", "Which &amp; why?",
      "constants.lr <del>3e-4</del> → <ins>1</ins>", "mean[batch](a_long_name(q, K) * another)",
      "x &lt; 1 &amp;&amp; y", "<s><code>lr</code></s> it has no 'lr'",
      "is the same program as sac", "<math", "rlc 1", "rlc ablate specs/s.yaml<",
      "on the same kind of CPU.<");
}
END_TEST

START_TEST(the_card_is_named) {
  report_good(&(Made){.gpu = true});
  HAS("report.html", "<dt>GPU</dt><dd>a &lt;card&gt;</dd>",
      "<dt>Code of the GPU</dt><dd>sm_90 by a compiler</dd>",
      "rlc ablate specs/s.yaml --target cuda<",
      "on the same kind of CPU and of GPU, by code of the same NVRTC.");
}
END_TEST

START_TEST(what_runs_lack_and_who_made_them_is_said) {
  report_good(&(Made){.compiler = "rlc <2>", .mixed = true});
  HAS("report.html", "Runs were made by 2 versions of rlc", "rlc 1, rlc &lt;2&gt;", "</header>",
      "sac lr=1", "<s><code>entropy</code></s> its runs log no such number", "a &lt;b&gt;");
  report_good(&(Made){.compiler = "rlc 2"});
  report_lacks("report.html", "Runs were made by");
}
END_TEST

START_TEST(losses_that_differ_are_shown) {
  report_good(&(Made){0});
  Bytes page = report_file("report.html");
  size_t count = 0;
  for (const char *at = page.data; (at = strstr(at, "<math")); at++) count++;
  ck_assert_uint_eq(count, 2); /* the base's, and that of lr=1 */
  free(page.data);
}
END_TEST

/* ---- figures ---- */

START_TEST(figures_are_drawn) {
  if (!command_there("gnuplot")) {
    printf("SKIP: figures_are_drawn: there is no gnuplot\n");
    return;
  }
  static const char *const names[] = {"curve_return", "curve_entropy", "aggregates", "profile",
                                      "comparisons"};
  report_good(&(Made){0});
  for (size_t i = 0; i < COUNTOF(names); i++) {
    char name[64];
    snprintf(name, sizeof name, "figures/%s.svg", names[i]);
    HAS(name, "<svg", "</svg>");
    snprintf(name, sizeof name, "figures/%s.pdf", names[i]);
    HAS(name, "%PDF-");
  }
  HAS("report.html", "<figure>", "<svg", "</svg>");
  HAS("figures/curve_return.svg", "sac lr=1", "environment steps");
}
END_TEST

START_TEST(without_gnuplot_there_are_no_pictures_and_it_says_so) {
  char *path = strdup(getenv("PATH"));
  setenv("PATH", "/nowhere", 1);
  report_good(&(Made){0});
  setenv("PATH", path, 1);
  free(path);
  HAS("report.html", "There are no pictures: gnuplot is not installed");
  report_lacks("report.html", "<figure>");
  HAS("tables/aggregates.csv", "sac,3,100,");
}
END_TEST

/* ---- what policies do ---- */

START_TEST(thumbnails_of_runs_are_in_the_page) {
  report_good(&(Made){0});
  report_lacks("report.html", "Behaviour");
  made_text("runs/sac_lr=1/A-v1/seed-1/thumbnail.jpg", "Many hands");
  made_text("runs/sac_lr=1/A-v1/seed-2/thumbnail.jpg", "not the first");
  report_good(&(Made){0});
  HAS("report.html", "<h2>Behaviour</h2>", "src=\"data:image/jpeg;base64,TWFueSBoYW5kcw==\"",
      "sac lr=1, A-v1, seed 1<", "</figure>\n</div>\n</section>");
}
END_TEST

/* ---- in a browser ---- */

static const char *browser(void) {
  static const char *const names[] = {"chromium", "chromium-browser", "google-chrome"};
  for (size_t i = 0; i < COUNTOF(names); i++)
    if (command_there(names[i])) return names[i];
  return NULL;
}

/* Looks at the page as it was laid out: it is no wider than the window, its pictures and formulas
 * have a size, its text can be seen. */
static const char probe[] =
    "<script>addEventListener('load', () => {"
    "const d = document, q = s => [...d.querySelectorAll(s)];"
    "const seen = q('.panels svg').filter(e => e.getBoundingClientRect().width > 200).length;"
    "const marks = q('.panels svg path').filter(e => e.getBoundingClientRect().width > 30).length;"
    "const math = q('section > .loss math').filter(e => e.getBoundingClientRect().height > 8);"
    "const ink = getComputedStyle(d.body), dark = ink.color !== ink.backgroundColor;"
    "d.title = `wide=${d.documentElement.scrollWidth <= innerWidth} pictures=${seen} "
    "marks=${marks > 20} math=${math.length} ink=${dark} text=${d.body.innerText.length > 1500}`;"
    "})</script></body>";

static void look(const char *program, int width, const char *expected) {
  Bytes page = report_file("report.html");
  char *end = strstr(page.data, "</body>"), command[9000], *dom = NULL;
  FILE *out = made_file("probe.html");
  fprintf(out, "%.*s%s</html>\n", (int)(end - page.data), page.data, probe);
  fclose(out);
  free(page.data);
  snprintf(command, sizeof command,
           "timeout 120 %s --headless --no-sandbox --disable-gpu --user-data-dir=%s/browser "
           "--window-size=%d,1500 --virtual-time-budget=3000 --dump-dom file://%s/probe.html "
           ">%s/dom.html 2>%s/browser.log",
           program, folder, width, folder, folder, folder);
  int status = system(command);
  dom = file_read(path_in(folder, "dom.html").text).data;
  ck_assert_msg(status == 0 && dom && strstr(dom, expected), "%s: status %d: %.300s", expected,
                status, dom ? strstr(dom, "<title>") : "nothing");
  free(dom);
}

START_TEST(a_browser_shows_it) {
  const char *program = browser();
  if (!program || !command_there("gnuplot")) {
    printf("SKIP: a_browser_shows_it: there is no %s\n", program ? "gnuplot" : "chromium");
    return;
  }
  report_good(&(Made){0});
  static const char good[] = "wide=true pictures=8 marks=true math=1 ink=true text=true";
  look(program, 1200, good);
  look(program, 500, good); /* the narrowest window that it makes */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("study_report");
  TCase *cases = tcase_create("report");
  tcase_set_timeout(cases, 300);
  tcase_add_checked_fixture(cases, report_open, report_close);
  tcase_add_test(cases, scores_are_those_of_the_runs);
  tcase_add_test(cases, a_comparison_is_with_the_same_seed);
  tcase_add_test(cases, points_may_have_different_baselines);
  tcase_add_test(cases, environments_are_put_together_only_on_one_scale);
  tcase_add_test(cases, a_scale_has_its_better_end_at_one);
  tcase_add_test(cases, latex_has_rules_and_escapes);
  tcase_add_test(cases, bold_is_what_nothing_is_told_apart_from);
  tcase_add_test(cases, nothing_is_bold_where_nothing_could_be_told_apart);
  tcase_add_test(cases, each_column_goes_by_its_own_statistic);
  tcase_add_test(cases, an_iqm_of_few_runs_is_a_mean_and_says_so);
  tcase_add_test(cases, failed_runs_alone_have_no_interval);
  tcase_add_test(cases, one_seed_has_no_intervals_and_nothing_bold);
  tcase_add_test(cases, a_failed_run_is_shown_and_counts_as_the_worst);
  tcase_add_test(cases, an_unfinished_study_says_so);
  tcase_add_test(cases, tables_that_end_within_a_line_give_no_score);
  tcase_add_test(cases, captions_are_of_what_is_there);
  tcase_add_test(cases, nothing_has_run_yet);
  tcase_add_test(cases, what_is_no_study_is_refused);
  tcase_add_test(cases, the_page_stands_for_itself);
  tcase_add_test(cases, the_card_is_named);
  tcase_add_test(cases, what_runs_lack_and_who_made_them_is_said);
  tcase_add_test(cases, losses_that_differ_are_shown);
  tcase_add_test(cases, figures_are_drawn);
  tcase_add_test(cases, without_gnuplot_there_are_no_pictures_and_it_says_so);
  tcase_add_test(cases, thumbnails_of_runs_are_in_the_page);
  tcase_add_test(cases, a_browser_shows_it);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
