/* Values, names and the state of elaboration; private to dsl/. */
#ifndef RLC_DSL_SCOPE_H
#define RLC_DSL_SCOPE_H

#include "dsl/dsl.h"

typedef struct Elab Elab;
typedef struct Frame Frame;
typedef struct Entry Entry;
typedef struct Network Network;
typedef struct Function Function;
typedef struct Record Record;
typedef struct Bundle Bundle;
typedef struct Environment Environment; /* dsl/environment.c */
typedef struct Layers Layers;
typedef struct Open Open;

typedef enum ValueKind {
  VALUE_ERROR,
  VALUE_NODE,
  VALUE_RECORD,
  VALUE_FUNCTION,
  VALUE_BUNDLE,
  VALUE_SLOT /* only in fields of records: the slot's value at this point of the program */
} ValueKind;

/* What an initialiser knows of the layer: numbers of units, whether it is the last of its network
 * or head, and the axes of the weights' inputs and units. */
typedef struct Fans {
  double in, out;
  bool last;
  Axes rows, columns;
} Fans;

/* What an expression means. A number is a constant node. An error has been reported and is passed
 * on in silence. */
typedef struct Value {
  ValueKind kind;
  Node *node;
  Record *record;
  Function *function;
  Bundle *bundle;
  uint32_t slot;
} Value;

/* Named values: a network's heads, a sampled action with its log_prob, a set of targets. `node` is
 * what the record means where a tensor is wanted (NULL if nothing). */
struct Record {
  const char *what; /* "the network 'actor'", for messages */
  Node *node;
  const char **names;
  Value *values;
  size_t count, capacity;
  const char *target; /* the target whose members these are, or NULL */
};

typedef enum FunctionKind { FUNCTION_DEFINE, FUNCTION_NETWORK, FUNCTION_DISTRIBUTION } FunctionKind;

struct Function {
  FunctionKind kind;
  const char *name;
  const Expr *signature; /* FUNCTION_DEFINE */
  const Tree *body;
  Frame *scope;     /* where free names are looked up */
  Network *network; /* FUNCTION_NETWORK: its shape, */
  const char *copy; /* and whose parameters: NULL the trained ones, else the target's name */
  Frame *arguments; /* FUNCTION_DISTRIBUTION: the frame of a distribution's parameters and lets */
  const Entry *let; /* FUNCTION_DISTRIBUTION: the let that made it, or NULL */
  bool reported;    /* it was used where a draw of it is needed, which was reported */
};

typedef enum EntryState {
  ENTRY_LAZY,  /* evaluated at first use, then kept */
  ENTRY_BUSY,  /* being evaluated: meeting it again is a cycle */
  ENTRY_DONE,  /* value */
  ENTRY_MACRO, /* a define without parameters: expanded at each use, as part of the user's binding
                */
  ENTRY_SLOT   /* the slot's value at this point of the program */
} EntryState;

struct Entry {
  const char *name;
  const char *what; /* "constant", "network", "let", for messages */
  Span span;
  EntryState state;
  const Tree *tree; /* ENTRY_LAZY, ENTRY_MACRO: evaluated in the frame that holds the entry */
  Value value;
  uint32_t slot;
  bool used; /* something evaluated it */
};

/* An axis name in scope: the parameter `x` of a define stands for the label `try`, and for an
 * instance where one is known. */
typedef struct AxisEntry {
  const char *name, *label;
  int axis; /* AxisId or -1 */
} AxisEntry;

struct Frame {
  Frame *parent;
  const char *path; /* "losses.actor": streams of draws are named after it; NULL inherits */
  bool shared;      /* it was opened where draws have no rows, which its lets keep */
  Entry *entries;
  size_t count, capacity;
  AxisEntry *axes;
  size_t axis_count, axis_capacity;
};

/* What is being evaluated, the innermost first: a block, a define's body or a name's text. An axis
 * that is known nowhere yet may be made by a let of one of them that nothing has asked for. */
struct Open {
  const void *what; /* the Function, or the Tree of a macro: it cannot stand in itself */
  Frame *lets;      /* or NULL */
  Layers *layers;   /* where the lets stand */
  bool apart;       /* what stands further out speaks of other rows: its lets are not asked */
  Open *outer;
};

/* A tensor that a network or `parameters:` declares. */
typedef struct Parameter {
  const char *name; /* "critic.dense1.w.obs" */
  Axes axes;
  uint32_t slot;
  Node *init;    /* in the init program */
  Axes features; /* of a block of weights: those of the input that it belongs to, */
                 /* before those that meet the units are renamed */
} Parameter;

typedef struct Network {
  const char *name;
  const Tree *tree;
  const char **inputs;
  Axes *input_axes; /* feature axes of each input */
  size_t input_count;
  Axes copies;
  Parameter *parameters; /* in the order of layers; minted by the declaring call */
  size_t count, capacity;
  bool declaring;
  bool broken; /* its declaration failed, which was reported */
} Network;

/* A copy of parameters set by the loop. */
typedef struct Target {
  const char *name;
  const char **members; /* networks or learned tensors */
  size_t count;
  bool single;       /* slow: critic -> slow(...), else slow.critic(...) */
  bool set;          /* a step of the loop sets it */
  Parameter *copies; /* the members' parameters under the target's name */
  const Parameter **originals;
  size_t copy_count, copy_capacity, original_capacity;
} Target;

/* What data an expression sees. */
typedef enum BlockKind {
  BLOCK_NONE,
  BLOCK_ACT,     /* observations to act on */
  BLOCK_STEP,    /* what the last step of all environments gave, and the observations after it */
  BLOCK_STORE,   /* a whole step, from the observation acted on to the next one */
  BLOCK_REPLAY,  /* a sampled batch of one or more sources */
  BLOCK_ROLLOUT, /* the whole rollout */
  BLOCK_PART     /* a shuffled part of it */
} BlockKind;

/* A tree: one tensor for each parameter of a network, of a target or of a group of them. */
typedef struct Leaf {
  const Parameter *of; /* the trained tensor whose shape it has */
  Node *node;
} Leaf;
struct Bundle {
  const char *what; /* "the network 'actor'", for messages */
  Leaf *leaves;
  size_t count, capacity;
};

/* Where an expression stands: which rows it has and which columns it sees. */
typedef struct Block {
  BlockKind kind;
  const char *columns;     /* slot prefix: "act", "eval", "replay", "parts64" */
  Axes rows;               /* batch; env; time and env */
  bool draws;              /* draws are allowed */
  const uint32_t *sources; /* BLOCK_REPLAY: numbers of what was sampled */
  size_t source_count;
} Block;

/* Where a column comes from. */
typedef enum ColumnOrigin { COLUMN_STEP, COLUMN_STORE, COLUMN_EXTRA, COLUMN_COMPUTE } ColumnOrigin;

/* A column that programs may read. */
typedef struct Column {
  const char *name;
  ColumnOrigin origin;
  RlcColumnKind kind;
  Axes own; /* its axes besides the rows */
  bool integer;
  uint32_t source; /* COLUMN_EXTRA: the one that has it */
  bool broken;     /* its expression failed, which was reported */
} Column;

/* A replay, as declared. */
typedef struct SourceInfo {
  const char *name;
  const Tree *tree;
  bool single; /* the map `replay` itself */
} SourceInfo;

/* The innermost call that stands in the user's text; `call` is NULL where it is known by place
 * alone. */
struct Site {
  Span span;
  const Expr *call;
  Frame *frame;
};

struct Elab {
  Arena *arena;
  Diag *diag;
  Graph *graph;
  Module *module;
  Elaborated *result;
  const DslOptions *options;
  const Tree *spec, *prelude;
  const Source *prelude_source;
  struct Site site;     /* where mistakes inside the prelude are reported */
  uint64_t evaluations; /* of expressions so far */
  EnvFacts env;
  bool env_unknown;         /* the one that is named cannot be had, which was reported */
  Environment *environment; /* where the spec's environment is a declared one, else NULL */
  Frame *library, *globals; /* prelude names; the spec's names */
  Block block;
  const char *path;    /* of the binding being evaluated: names the streams of its draws */
  uint32_t occurrence; /* draws so far in this binding */
  Fans fans;           /* names of initialisers; 0 elsewhere */
  Layers *layers;      /* the walk through a network's layers that is under way, or NULL */
  bool training;       /* in a loss: what `training` means */
  bool shared;         /* draws that stand here have no rows */
  struct OptimizerStep *optimizing;
  Axes init_axes; /* in initialisers: the parameter's axes, which are the rows of draws there */
  uint32_t depth; /* of nested calls */
  Open *open;
  Network **networks;
  size_t network_count, network_capacity;
  Parameter *learned; /* `parameters:` */
  size_t learned_count, learned_capacity;
  Target *targets;
  size_t target_count, target_capacity;
  Node **current; /* per slot: its value now, in the program being built; NULL reads the slot */
  size_t current_size;
  uint32_t counters[RLC_COUNTERS];
  struct EvaluatedLoss {
    const char *name;
    Frame *frame;
  } * losses; /* in this program, for losses.NAME.LET */
  size_t losses_count, losses_capacity;
  const char **entered; /* what was evaluated in this program so far, by path */
  size_t entered_count, entered_capacity;
  struct Stream {
    uint64_t number;
    const char *name;
  } * streams; /* of all draws */
  size_t streams_count, streams_capacity;
  struct Density {
    Node *value, *log_prob;
    Node *noise; /* of a draw; NULL where the value was given */
  } * densities; /* every log_prob so far */
  size_t densities_count, densities_capacity;
  Frame **let_frames; /* that have lets */
  size_t let_frame_count, let_frame_capacity;
  Program *program;   /* open, or NULL */
  Program init;       /* collects initial values */
  Node *words[4];     /* u v w t while a noise formula is built */
  uint32_t env_count; /* environments that act */
  AxisId obs_axis, act_axis, choice_axis, env_axis, time_axis;
  uint32_t rollout_steps; /* 0: no rollout */
  bool overlap;           /* acting beside the updates */
  bool rollout_broken;    /* their number is a mistake, which was reported */
  bool normalize_obs, normalize_reward;
  double reward_scale, normal_clip; /* 0: what is normalised is not clipped */
  Column *columns;                  /* known so far: a computed one from its first step on */
  size_t column_count, column_capacity;
  SourceInfo *sources; /* in the order of the module's */
  struct Written {     /* by the losses of the open program, to be written back after it */
    const char *loss, *column;
    uint32_t slot, source;
    size_t step; /* of the loop's table */
  } * written;
  size_t written_count, written_capacity;
  struct NamedFile {
    Tree *name;
    const char *path; /* absolute */
  } * files;          /* that the spec names */
  size_t file_count, file_capacity;
};

/* ---- scope.c ---- */

static inline Value value_node(Node *node) { return (Value){.kind = VALUE_NODE, .node = node}; }
static inline Value value_error(void) { return (Value){.kind = VALUE_ERROR}; }
static inline Value value_tree(Bundle *b) { return (Value){.kind = VALUE_BUNDLE, .bundle = b}; }
static inline Value value_record(Record *r) { return (Value){.kind = VALUE_RECORD, .record = r}; }
static inline Value value_function(Function *f) {
  return (Value){.kind = VALUE_FUNCTION, .function = f};
}

Frame *frame_make(Elab *elab, Frame *parent, const char *path);
Entry *frame_add(Elab *elab, Frame *frame, const char *name, const char *what, Span span,
                 Value value);
Entry *frame_add_lazy(Elab *elab, Frame *frame, const char *name, const char *what, Span span,
                      const Tree *tree);
/* Adds every entry of a `let:` (or similar) map as lazy; duplicates of visible names of the spec
 * are errors. */
bool frame_add_map(Elab *elab, Frame *frame, const Tree *map, const char *what);
/* Whether it is letters, digits and '_', no digit first; reports. */
bool name_check(Elab *elab, const char *name, Span span);
/* Whether the language itself does not use the name; reports. */
bool name_unreserved(Elab *elab, const char *name, Span span);
/* Whether a new name is free here: not reserved, and nothing of the spec that is visible has it
 * (names of the prelude may be redefined). Reports with both places. */
bool name_is_free(Elab *elab, Frame *frame, const char *name, const char *what, Span span);
/* The entry of that name in this frame alone, or NULL. */
Entry *frame_find(const Frame *frame, const char *name);
/* The entry visible here and, in *holder, its frame. */
Entry *frame_lookup(Frame *frame, const char *name, Frame **holder);
void frame_axis(Elab *elab, Frame *frame, const char *name, const char *label, int axis);
const AxisEntry *frame_find_axis(const Frame *frame, const char *name);

/* Enters what `open` will describe, a variable of the caller's that lives until scope_close. */
void scope_open(Elab *elab, Open *open, const void *what, Frame *lets);
void scope_close(Elab *elab);
bool is_open(const Elab *elab, const void *what);
/* Evaluates the next let, in the order of the text, that nothing has asked for, in the innermost
 * block that has one. False when there is none left. */
bool scope_next_let(Elab *elab);

Record *record_make(Elab *elab, const char *what);
void record_add(Elab *elab, Record *record, const char *name, Value value);
const Value *record_get(const Record *record, const char *name);

/* ---- report.c ---- */

/* diag_error, but a mistake that shows inside the prelude is reported at the user's call of it. */
bool elab_error(Elab *elab, Span span, const char *hint, const char *format, ...) PRINTF(4, 5);
/* Remembers a call if it stands in the user's text; returns the former one, to be put back into
 * elab->site. */
struct Site site_enter(Elab *elab, Frame *frame, const Expr *call);
/* An error about a number, where it is written: at the constant's value where the expression is the
 * name of one, with a note where it is used. */
bool number_error(Elab *elab, Frame *frame, const Expr *expr, const char *hint, const char *format,
                  ...) PRINTF(5, 6);
/* Notes where the constants among the arguments of the user's call are set. */
void note_constants(Elab *elab);
/* A name that nothing has; `kind` is "name", "function", "layer" or "optimizer". */
void report_unknown(Elab *elab, Frame *frame, const Expr *expr, const char *kind);
/* The nearest of these names, or all of a few. */
const char *hint_known(Elab *elab, const char *name, const char *const *names, size_t count);
/* Notes the overlay that removed a name of the spec, if one did. */
void note_removed(Elab *elab, const char *name);
/* The number of elements, also where it overflows integers. */
double axes_size(const Elab *elab, Axes axes);
/* Refuses a tensor that no machine holds, with its size. */
bool size_check(Elab *elab, Span span, const char *what, Axes axes);
/* The same for a tensor that outlives its program, which has RLC_MAX_RANK axes at most. */
bool kept_check(Elab *elab, Span span, const char *what, Axes axes);
/* The same for `bytes` that the number in `tree` asks for. */
bool bytes_check(Elab *elab, Frame *frame, const Tree *tree, const char *what, double bytes,
                 double limit);
/* name_is_free among the spec's names; a name that is taken is poisoned. */
bool name_declare(Elab *elab, const char *name, const char *what, Span span);
/* A name whose declaration failed: its uses are silent. */
void poison(Elab *elab, const char *name, const char *what, Span span);
bool is_poisoned(const Elab *elab, const char *name);

/* ---- paths.c ---- */

/* The path with the working directory before it. */
const char *path_absolute(Elab *elab, const char *path);
/* Remembers a file that the spec names, for files_rename. */
void file_named(Elab *elab, const Tree *name);
/* Writes into the spec the absolute path of every file that it names, or its name alone. */
void files_rename(Elab *elab, bool absolute);

/* ---- lint.c ---- */

/* Checks what nothing evaluated: unused defines and losses, optimizers for nothing, targets never
 * read. */
void lint(Elab *elab);
/* Remembers a density for lint_score: of a draw with its noise, or of a given value. */
void density_note(Elab *elab, Node *value, Node *log_prob, Node *noise);
/* Warns of a weighted log_prob whose draw is differentiated through: `where` is the loss's value.
 */
void lint_score(Elab *elab, const LossInfo *info, Span where);

/* ---- eval.c ---- */

Value eval(Elab *elab, Frame *frame, const Expr *expr);
/* A tree that is an expression, or a map with `let` and `value`. */
Value eval_tree(Elab *elab, Frame *frame, const Tree *tree);
/* The value of an entry, computing it at first use; a cycle is an error. */
Value eval_entry(Elab *elab, Frame *holder, Entry *entry, Span user);
/* Evaluates to a tensor, or NULL after reporting. */
Node *eval_node(Elab *elab, Frame *frame, const Expr *expr);
Node *eval_tree_node(Elab *elab, Frame *frame, const Tree *tree);
/* Evaluates to a number known now; `what` names it in the message. */
bool eval_number(Elab *elab, Frame *frame, const Tree *tree, const char *what, double *number);
/* A whole number within [low, high]. */
bool eval_count(Elab *elab, Frame *frame, const Tree *tree, const char *what, double low,
                double high, uint64_t *count);
/* Reads a scalar tree as an expression, a signature, a list of names. NULL / false after reporting.
 */
const Expr *tree_expr(Elab *elab, const Tree *tree);
const Expr *key_signature(Elab *elab, const TreeEntry *entry);
bool tree_names(Elab *elab, const Tree *tree, const char ***names, Span **spans, size_t *count);
/* Refuses a distribution where a draw of it is needed, once, at the let that made it. */
void report_not_drawn(Elab *elab, Function *distribution, Span span);
/* The tensor a value means: a node, or a record that has one. NULL after reporting. */
Node *value_tensor(Elab *elab, Value value, Span span);
/* Reports when two instances of one label meet; `nodes` may have NULLs. */
bool axes_may_meet(Elab *elab, Span span, const Axes *sets, size_t count);
/* An elementwise op after checking that the axes may meet; NULL after reporting or when an argument
 * is NULL. */
Node *eval_op(Elab *elab, Span span, OpCode op, Node *x, Node *y, Node *z);

/* ---- call.c ---- */

Value eval_call(Elab *elab, Frame *frame, const Expr *expr);
/* A frame inside the function's scope with the call's parameters bound, for bodies that are not
 * values (optimisers); NULL after reporting. */
Frame *call_frame(Elab *elab, Function *function, const Expr *site, Frame *caller);
/* `require: condition, "message"`, one or a list; reported at the caller's place. */
bool requirement_holds(Elab *elab, Frame *frame, const Tree *tree, const Expr *site);
/* Adds a `define:` entry to a frame: a macro, or a function with its signature. Free names are
 * looked up from the spec, so that a spec that redefines a name of the prelude changes the
 * prelude's own use of it too. */
bool define_add(Elab *elab, Frame *frame, const TreeEntry *entry);
/* Calls a define, network or distribution with evaluated positional arguments. */
Value call_function(Elab *elab, Function *function, const Expr *site, Frame *frame, Value *given,
                    size_t given_count, AxisId feature, bool has_feature);
Value eval_field(Elab *elab, Frame *frame, const Expr *expr);

/* ---- builtins.c ---- */

/* A function the language has by itself (reductions, axis tools, draws): false when there is none
 * of that name. */
bool builtin_call(Elab *elab, Frame *frame, const Expr *expr, Value *result);
size_t builtin_names(const char **names, size_t capacity);

/* ---- axes of names (axis.c) ---- */

/* The axis that a bracket names, in the axes of `of`. -1 after reporting. */
int axis_of(Elab *elab, Frame *frame, const ExprAxis *axis, Axes of);
/* An axis by name alone: a bound parameter, obs, act, or the only one of that label. -1 after
 * reporting. */
int axis_named(Elab *elab, Frame *frame, const ExprAxis *axis);
/* Whether an axis of that label is known, or becomes so by a let; reports. */
bool axis_exists(Elab *elab, const ExprAxis *axis, const char *label);
/* A new or equal axis `name=size`. -1 after reporting. */
int axis_minted(Elab *elab, Frame *frame, const ExprAxis *axis, AxisClass order);
/* A fresh axis of a layer or of ranks. -1 after reporting. */
int axis_fresh(Elab *elab, const char *label, const char *scope, uint32_t extent, AxisClass order,
               Span span);
/* The instance of (label, extent), minted at need. */
AxisId axis_instance(Elab *elab, const char *label, uint32_t extent, AxisClass order, Span span);

/* ---- draw.c ---- */

/* The path for an evaluation in the open program, after which its draws are named: a second one of
 * the same path draws anew, as "path@2". */
const char *path_enter(Elab *elab, const char *path);

bool draw_call(Elab *elab, Frame *frame, const Expr *expr, Value *result); /* sample, *_noise */
bool distribution_call(Elab *elab, Frame *frame, const Expr *expr,
                       Value *result); /* log_prob entropy mode kl */

/* ---- network.c, layer.c ---- */

bool networks_declare(Elab *elab);
Value network_call(Elab *elab, Function *function, const Expr *site, Value *args, size_t count);
/* A walk through the layers of a network (or its copy). Tensors are found by name. */
struct Layers {
  Elab *elab;
  Network *network;
  const char *copy;
  const Expr *site;
  bool declaring;      /* the first walk mints the parameters, with the inputs' values made up: */
  Node **inputs;       /* nothing may depend on these */
  const char *prefix;  /* of tensors' names: "critic", "actor.mean", "critic.gru1" */
  const char **scopes; /* prefixes so far, of which equal ones are told apart by a number */
  size_t scope_count, scope_capacity;
  bool last;        /* in the last dense layer of the network or head */
  const Expr *item; /* the layer being applied */
};
/* What flows from layer to layer: one tensor per input until a layer joins them. */
typedef struct Flow {
  Node *values[8];
  Axes features[8];
  const char *names[8];
  size_t count;
} Flow;
/* Applies a list of layers; `ends` where nothing follows it. False after reporting. */
bool layers_apply(Layers *layers, Flow *flow, const Tree *tree, bool ends);
/* Enters the scope of a layer's name, as in "critic.layer_norm2"; returns the former prefix, to be
 * put back by layers_leave. Both do nothing outside of networks. */
const char *layers_enter(Elab *elab, const char *name);
void layers_leave(Elab *elab, const char *prefix);

/* ---- dense.c ---- */

/* `dense` in a list of layers. */
bool dense_layer(Layers *layers, Flow *flow, const Expr *item);
Value builtin_dense(Elab *elab, Frame *frame, const Expr *expr);
Value builtin_learned(Elab *elab, Frame *frame, const Expr *expr);

/* ---- orthonormal.c ---- */

Value builtin_orthonormal(Elab *elab, Frame *frame, const Expr *expr);

/* ---- declare.c ---- */

bool targets_declare(Elab *elab);
bool parameters_declare(Elab *elab);
bool states_declare(Elab *elab, const Tree *map);
/* The current value of a slot in the program being built. */
Node *slot_value(Elab *elab, uint32_t slot);
void slot_assign(Elab *elab, uint32_t slot, Node *node);
/* A slot with its initial value, computed by the init program. */
uint32_t slot_declare(Elab *elab, const char *name, RlcSlotKind kind, Axes axes, Node *init,
                      Span span);
/* The initial value `tree` (NULL: `fallback`) of a tensor with these axes. NULL after reporting. */
Node *init_value(Elab *elab, Frame *frame, const Tree *tree, const char *fallback, const char *name,
                 Axes axes, Fans fans);
/* The same from an expression. */
Node *init_expression(Elab *elab, Frame *frame, const Expr *expr, const char *name, Axes axes,
                      Fans fans);
/* `axes:` of a declaration: names of known axes, or none. */
bool declared_axes(Elab *elab, const Tree *tree, Axes *axes);
/* The tensors behind a name (a network, a learned tensor): false after reporting. */
bool parameter_group(Elab *elab, const char *name, Span span, Parameter **items, size_t *count);

/* ---- loss.c, optimizer.c ---- */

/* The losses of a descend or together step, in order; adds outputs to the open program. */
bool losses_step(Elab *elab, const char **names, const Span *spans, size_t count, bool together);
/* One parameter about to be stepped on. */
typedef struct OptimizerStep {
  const char *loss, *group;
  const Parameter *parameter;
  Node *value, *gradient;
  Node *gradient_norm; /* over all gradients of the descent */
  Frame *frame;
  const Tree *states;
} OptimizerStep;
/* The new value of a parameter after one step of the optimiser that belongs to it. NULL after
 * reporting. */
Node *optimizer_step(Elab *elab, OptimizerStep step);
/* The slot of an optimiser's state at its first use: a state that nothing reads takes no memory.
 * RLC_NONE after reporting. */
uint32_t optimizer_state(Elab *elab, const char *name);
/* Checks the call that names an optimiser, whether or not anything is stepped with it. */
void optimizer_check(Elab *elab, const Tree *tree);
/* The metrics "PREFIX/NAME" of a map of scalars. */
bool logs_elaborate(Elab *elab, Frame *frame, const Tree *log, const char *prefix);
/* The value that the loss `loss` logs as `name`, kept for other programs; NULL when none of an
 * earlier program does. */
Node *logged_value(Elab *elab, const char *loss, const char *name);

/* ---- trees.c ---- */

/* Whether the value is a tree where one is wanted: a network, a target, what grad gave. */
bool value_is_bundle(Value value);
/* The tree that such a value means now. */
Bundle *value_bundle(Elab *elab, Value value);
Bundle *bundle_of_target(Elab *elab, const Target *target);
/* The parameters behind a name (parameter_group) as they are now. NULL after reporting. */
Bundle *bundle_of_group(Elab *elab, const char *name, Span span);
/* Adds the tensors of a part. */
void bundle_join(Elab *elab, Bundle *bundle, const Bundle *part);
/* The value in the structure of `shape`: the same parameters, or those of another network with the
 * same layers. NULL after reporting. */
Bundle *bundle_conform(Elab *elab, Span span, const Bundle *value, const Bundle *shape);
/* tree.actor: the part of a group. */
Value bundle_field(Elab *elab, const Bundle *bundle, const Expr *expr);
/* An elementwise op of tensors and trees; `spans` of its arguments. */
Value value_op(Elab *elab, Span span, OpCode op, const Value *args, const Span *spans);
/* grad, with, dot, norm: false when it is none of them. */
bool tree_call(Elab *elab, Frame *frame, const Expr *expr, Value *result);
size_t tree_call_names(const char **names, size_t capacity);

/* ---- assign.c ---- */

/* The assignments of a loop step `set`, in order, in the open program. */
bool set_step(Elab *elab, const Tree *tree);

#endif
