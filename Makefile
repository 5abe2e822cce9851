# rlc: make demo | test | test-all | deps | asan | tsan | format | docs
#
# `make deps` finds what the build needs and installs what is missing; it writes build/deps.mk.
# Everything that is made lies under build/.

ifeq ($(origin CC),default)
CC = gcc
endif
BUILD ?= build
OPT ?= -O2 -g
WARN = -Wall -Wextra -Werror
CFLAGS += -std=gnu11 $(OPT) $(WARN) -I. -I$(BUILD) -fno-math-errno -ffp-contract=off -fPIC $(SANITIZE)
LDLIBS = -lyaml -lmicrohttpd $(LLVM_LIBS) -lm -ldl -lpthread
VERSION := 0.1.0
COMMIT := $(shell git describe --always --dirty 2>/dev/null || echo no git)

-include build/deps.mk
ENVCFLAGS = -I'$(MUJOCO_INC)' -DRLC_MUJOCO_DIR='"$(MUJOCO_LIB_DIR)"' -DRLC_MUJOCO_VERSION='"$(MUJOCO_VERSION)"'

SOURCES = $(filter-out compiler/main.c,$(wildcard ir/*.c dsl/*.c compiler/*.c compiler/*/*.c compiler/study/*/*.c codegen/*.c codegen/*/*.c))
RUNTIME = $(wildcard runtime/*.c runtime/*/*.c envs/*.c)
TESTS   = $(wildcard tests/*_test.c)
MODELS  = $(patsubst %,$(BUILD)/%.h,$(wildcard envs/models/*.xml))

object = $(patsubst %.c,$(BUILD)/%.o,$(1))
OBJECTS = $(call object,$(SOURCES)) $(BUILD)/gen/prelude.o $(BUILD)/gen/environments.o $(BUILD)/gen/page_style.o
LIBRARY = $(BUILD)/librlc_runtime.a
TESTBIN = $(patsubst tests/%.c,$(BUILD)/tests/%,$(TESTS))

.PHONY: all build deps toolkit test test-all demo asan tsan cuda-cpu-check gpu-pack gpu-check-pack gpu-bench-pack gpu-check gpu-bench format format-check docs size clean bench
all: deps
	@$(MAKE) --no-print-directory build

build: $(BUILD)/rlc

deps:
	@tools/deps.sh

$(BUILD)/rlc: $(BUILD)/compiler/main.o $(OBJECTS) $(LIBRARY)
	@echo "  link $@"
	@$(CC) $(CFLAGS) -rdynamic -o $@ $^ $(LDLIBS)

$(LIBRARY): $(call object,$(RUNTIME))
	@echo "  ar   $@"
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc   $<"
	@$(CC) $(CFLAGS) $(if $(filter envs/%,$<),$(ENVCFLAGS)) $(if $(filter codegen/%,$<),$(LLVM_CFLAGS)) -MMD -MP -c -o $@ $<

$(BUILD)/envs/mujoco_tasks.o $(BUILD)/envs/mujoco_api.o: $(MODELS)

# The version with the commit it was built from, for --help and provenance; rewritten only when it changes.
$(BUILD)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@echo '#define RLC_VERSION "$(VERSION) ($(COMMIT))"' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:
$(BUILD)/compiler/main.o $(BUILD)/compiler/build.o $(BUILD)/compiler/commands/session.o $(BUILD)/compiler/study/folder/stored.o \
  $(BUILD)/compiler/study/run/trainers.o: $(BUILD)/gen/version.h

# What native code depends on besides loop IR, and more: part of the names under which it is kept.
EMITTER = $(wildcard codegen/*.[ch] codegen/*/*.[ch]) ir/base.h ir/ops.def ir/formats.def runtime/rlc.h runtime/rng.h
$(BUILD)/gen/emitter.h: $(EMITTER)
	@mkdir -p $(@D)
	@echo "#define RLC_EMITTER \"$$(cat $(EMITTER) | sha256sum | cut -c1-32)\"" > $@
$(BUILD)/codegen/llvm/native_objects.o: $(BUILD)/gen/emitter.h

# What makes a trainer of optimised IR: part of the names of a study's trainers, so that results say what they come from.
ENGINE = $(sort $(wildcard codegen/*.[ch] codegen/*.def codegen/*/*.[ch] runtime/*.[ch] runtime/*.def runtime/*/*.[ch] runtime/*/*.def envs/*.[ch] envs/*.def envs/models/*.xml)) ir/ops.def ir/formats.def
$(BUILD)/gen/engine.h: $(ENGINE) Makefile
	@mkdir -p $(@D)
	@echo "#define RLC_ENGINE \"$$({ cat $(ENGINE); echo '$(CFLAGS) $(LLVM_LIBS) $(MUJOCO_VERSION)'; } | sha256sum | cut -c1-8)\"" > $@
$(BUILD)/compiler/study/run/trainers.o: $(BUILD)/gen/engine.h

$(BUILD)/envs/models/%.xml.h: envs/models/%.xml envs/embed.sh
	@mkdir -p $(@D)
	@envs/embed.sh $< > $@

# A text as a C string: dsl/prelude.yaml is what rlc knows without being told.
$(BUILD)/gen/prelude.c: dsl/prelude.yaml
	@mkdir -p $(@D)
	@{ echo '#include "dsl/dsl.h"'; echo 'const char dsl_prelude[] ='; \
	   sed 's/\\/\\\\/g; s/"/\\"/g; s/^/  "/; s/$$/\\n"/' $<; echo '  ;'; } > $@

# The declared environments that rlc has by itself, by the name each has in its file.
ENVFILES = $(wildcard specs/envs/*.yaml)
$(BUILD)/gen/environments.c: $(ENVFILES) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "dsl/dsl.h"'; echo 'const DeclaredFile dsl_environments[] = {'; \
	   for f in $(ENVFILES); do printf '{"%s", "%s",\n' "$$(sed -n 's/^environment: *//p' $$f)" $$f; \
	   sed 's/\\/\\\\/g; s/"/\\"/g; s/^/  "/; s/$$/\\n"/' $$f; echo '},'; done; \
	   echo '{0}};'; } > $@

# The style sheet of a study's report.
$(BUILD)/gen/page_style.c: compiler/study/report/page.css
	@mkdir -p $(@D)
	@{ echo 'extern const char page_style[];'; echo 'const char page_style[] ='; \
	   sed 's/\\/\\\\/g; s/"/\\"/g; s/^/  "/; s/$$/\\n"/' $<; echo '  ;'; } > $@

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	@$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  test $@"
	@$(CC) $(CFLAGS) $(ENVCFLAGS) -DRLC_ROOT='"$(CURDIR)"' -DRLC_BUILD='"$(abspath $(BUILD))"' -MMD -MP -rdynamic -o $@ $< $(OBJECTS) $(LIBRARY) $$(pkg-config --libs check) $(LDLIBS)

# A driver, an NVRTC and a cuBLAS that run on the CPU, for tests: nobody else is told of them.
TOOLKIT = $(addprefix $(BUILD)/tests/toolkit/lib64/,libcuda.so.1 libnvrtc.so libcublas.so)
$(BUILD)/tests/toolkit/lib64/libcuda.so.1: tests/toolkit/driver.c runtime/rlc.h
$(BUILD)/tests/toolkit/lib64/libnvrtc.so: tests/toolkit/nvrtc.c
$(BUILD)/tests/toolkit/lib64/libcublas.so: tests/toolkit/cublas.c
$(addprefix $(BUILD)/tests/,device_test gpu_bench_test gpu_check_test gpu_command_test): | $(TOOLKIT)
toolkit: $(TOOLKIT)
$(TOOLKIT):
	@mkdir -p $(@D)
	@echo "  so   $@"
	@$(CC) $(CFLAGS) -shared -DRLC_ROOT='"$(CURDIR)"' -o $@ $< -ldl

test: deps
	@$(MAKE) --no-print-directory -j$$(nproc) build tests
	@tests/run.sh $(BUILD)

# Two minutes of ReMAC on HalfCheetah, from a spec to curves.
demo: deps
	@$(MAKE) --no-print-directory -j$$(nproc) build
	@tools/demo.sh $(BUILD)

# What is too long for every change: sanitizers, both compilers, Debian's MuJoCo, the long forms of the tests.
test-all: test
	@tools/test_all.sh

# Instrumented code makes gcc suspect truncations that cannot happen.
asan:
	@$(MAKE) --no-print-directory BUILD=build/asan OPT='-O1 -g -Wno-format-truncation' SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' -j$$(nproc) build tests
	@LSAN_OPTIONS=suppressions=$(CURDIR)/tools/lsan.supp tests/run.sh build/asan

# What has threads of its own. Generated code is not instrumented: whether its threads share their work rightly is for the tests that
# ask for equal bits. tools/tsan.supp says what is left out, and why.
THREADED = bodies_test cache_test checkpoint_test cohort_test env_test overlap_test pace_test replay_test rollout_run_test runtime_test seeds_test serve_test study_test training_test window_test
tsan:
	@$(MAKE) --no-print-directory BUILD=build/tsan OPT='-O1 -g -Wno-format-truncation -Wno-tsan' SANITIZE=-fsanitize=thread -j$$(nproc) build $(THREADED:%=build/tsan/tests/%)
	@TSAN_OPTIONS=suppressions=$(CURDIR)/tools/tsan.supp tests/run.sh build/tsan $(THREADED)

# Generated CUDA C on the CPU: every kind of kernel, and whole algorithms, against the oracle.
# Then some in other orders of lanes, every kernel through NVRTC, and every spec watched for races.
CUDA_SUITES = specs_test codegen_test codegen_chosen_test codegen_memory_test codegen_scan_test narrow_test agree_test random_test
cuda-cpu-check:
	@$(MAKE) --no-print-directory -j$$(nproc) build $(CUDA_SUITES:%=$(BUILD)/tests/%) $(BUILD)/tests/cuda_specs_test $(BUILD)/tests/race_test
	@RLC_SPECS=specs/ tests/run.sh $(BUILD) $(CUDA_SUITES:%=%@cuda)
	@RLC_SHIM_ORDER=7 RLC_SPECS=sac tests/run.sh $(BUILD) specs_test@cuda codegen_scan_test@cuda
	@RLC_SHIM_ORDER=29 RLC_SPECS=remac tests/run.sh $(BUILD) specs_test@cuda
	@RLC_LONG=1 tests/run.sh $(BUILD) cuda_specs_test race_test

# On a card: every spec against the oracle, and updates measured beside the peers that are found. What is packed needs no card here and
# nothing of rlc there: build/gpu can be taken to where a card is.
gpu-pack: gpu-check-pack gpu-bench-pack
	@cp tools/gpu_run.sh $(BUILD)/gpu/run.sh
	@du -sh $(BUILD)/gpu | sed 's/^/to take along: /'
gpu-check-pack: build
	@tools/gpu_check.sh pack $(BUILD)/gpu/check
gpu-bench-pack: build
	@BUILD=$(BUILD) PACK=$(BUILD)/gpu/bench tools/gpu_pack.sh
gpu-check: gpu-check-pack
	@tools/gpu_check.sh run $(BUILD)/gpu/check
gpu-bench: gpu-bench-pack
	@RESULTS=bench/results tools/gpu_bench.sh $(BUILD)/gpu/bench

SOURCE_FILES = $(filter-out build/%,$(wildcard */*.c */*.h */*/*.c */*/*.h */*/*/*.c */*/*/*.h))
format:
	clang-format -i $(SOURCE_FILES)

format-check:
	clang-format --dry-run -Werror $(SOURCE_FILES)

# Sizes that keep files and functions readable.
size:
	@tools/size.sh

.PHONY: tests
tests: $(BUILD)/rlc $(TESTBIN) $(TOOLKIT)

clean:
	rm -rf $(filter-out build,$(BUILD)) build/rlc build/*.a build/ir build/dsl build/compiler build/codegen build/runtime build/envs build/tests build/gen

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
