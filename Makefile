# Sleddog. Two targets do everything on a fresh Debian machine:
#   make demo     install what is missing, build, classify drawn photos on four local workers, show the result
#   make check    install what is missing, build, run the tests
# Others: make (build only), make asan|tsan (the tests under sanitizers), make chaos, make bench, make fuzz, make lint,
# make install, make uninstall, make scale, make clean. CONFIG=release|asan|tsan|clang|fuzz; objects of each live side by side.

CONFIG  ?= release
BUILD   := build$(if $(filter-out release,$(CONFIG)),/$(CONFIG))
OBJ     := $(BUILD)/obj
PREFIX  ?= /usr/local
VERSION := 0.2.0

# ---- compilers ------------------------------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := $(if $(filter clang fuzz,$(CONFIG)),clang,gcc)
endif
CFLAGS      ?= -O2 -g
WARNINGS    := -Wall -Wextra -Wpedantic $(if $(WERROR),-Werror)
SAN_asan    := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN_tsan    := -fsanitize=thread -fno-omit-frame-pointer
SAN_fuzz    := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE    := $(SAN_$(CONFIG))
# An FMA can flip a resize coefficient, and results must not depend on the compiler's taste.
ALL_CFLAGS   = -std=gnu11 -D_GNU_SOURCE -DSLEDDOG_VERSION='"$(VERSION)"' -I. -fPIC -fvisibility=hidden -ffp-contract=off \
               -pthread -MMD -MP $(WARNINGS) $(CFLAGS) $(SANITIZE) $(CFLAGS_EXTRA)
# `make V=1` shows the whole commands.
Q           := $(if $(V),,@)
silent      := $(findstring s,$(firstword -$(MAKEFLAGS)))
say          = $(if $(V)$(silent),,@echo '  $(1) $@')
ALL_LDFLAGS  = -pthread -Wl,--as-needed $(LDFLAGS) $(SANITIZE)

# ---- foreign libraries, each named once -----------------------------------------------------------------------------
pkg = $(shell pkg-config --libs $(1) 2>/dev/null || echo $(2))
LIBS_common      := $(call pkg,libcrypto,-lcrypto) $(call pkg,libzmq,-lzmq) $(call pkg,libcurl,-lcurl) $(call pkg,expat,-lexpat) $(call pkg,jansson,-ljansson) $(call pkg,libsystemd,-lsystemd)
LIBS_proto       := -lmpack
LIBS_worker      := $(call pkg,libjpeg,-ljpeg) $(call pkg,libpng zlib,-lpng -lz) $(call pkg,libwebpdemux libwebp,-lwebpdemux -lwebp) $(call pkg,jansson,-ljansson) -ldl -lm
LIBS_coordinator := $(call pkg,libjpeg,-ljpeg) $(call pkg,libpng,-lpng) $(call pkg,libwebp,-lwebp) $(call pkg,sqlite3,-lsqlite3) $(call pkg,jansson,-ljansson) -lcsv -lm
LIBS_onednn      := -ldnnl -lm
LIBS_demo        := -llapacke -lopenblas

# ---- CUDA, where it is: make CUDA=/opt/cuda CUDNN=/opt/cudnn for other places, CUDA= for none ----------------------------
CUDA        ?= $(or $(patsubst %/bin/,%,$(dir $(shell command -v nvcc 2>/dev/null))),/usr/local/cuda)
CUDNN       ?= $(CUDA)
find_first   = $(firstword $(wildcard $(1)))
LIB_DIRS     = lib64 lib lib/x86_64-linux-gnu lib/aarch64-linux-gnu
find_lib     = $(call find_first,$(foreach name,$(2),$(foreach root,$(1) /usr,$(LIB_DIRS:%=$(root)/%/$(name)))))
NVCC        := $(if $(CUDA),$(call find_first,$(CUDA)/bin/nvcc))
CUDNN_H     := $(call find_first,$(foreach root,$(CUDNN) $(CUDA) /usr,$(root)/include/cudnn_graph.h $(root)/include/*/cudnn_graph.h))
CUDNN_SO    := $(call find_lib,$(CUDNN) $(CUDA),libcudnn.so libcudnn.so.9)
CUBLASLT_SO := $(call find_lib,$(CUDA),libcublasLt.so libcublasLt.so.13 libcublasLt.so.12)
CUDART_A    := $(call find_lib,$(CUDA),libcudart_static.a)
HAVE_CUDA   := $(and $(NVCC),$(shell command -v g++ 2>/dev/null),$(CUDNN_H),$(CUDNN_SO),$(CUBLASLT_SO),$(CUDART_A),yes)
CUDA_CFLAGS := $(addprefix -isystem ,$(wildcard $(CUDA)/include) $(dir $(CUDNN_H)))
LIBS_cudnn   = $(CUDNN_SO) $(CUBLASLT_SO) $(CUDART_A) $(addprefix -Wl$(comma)-rpath$(comma),$(sort $(patsubst %/,%,$(dir $(CUDNN_SO) $(CUBLASLT_SO))))) -ldl -lrt -lm
comma       := ,
# T4, A100, A10, L4, H100 and H200; PTX for what comes after them.
GPUS        := 75 80 86 89 90
NVCC_FLAGS   = -std=c++17 -O3 -I. -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-fno-threadsafe-statics $(foreach g,$(GPUS),-gencode arch=compute_$(g),code=sm_$(g)) \
               -gencode arch=compute_90,code=compute_90

# ---- what is built --------------------------------------------------------------------------------------------------
sources = $(sort $(foreach dir,$(1),$(wildcard $(dir)/*.c)))
objects = $(patsubst %.c,$(OBJ)/%.o,$(1))

COMMON      := $(call sources,common common/s3)
PROTO       := $(call sources,proto)
COORDINATOR := $(call sources,coordinator coordinator/source coordinator/export coordinator/html)
# What every engine is made of, and what a plugin carries of the worker besides: the layer table and the weights.
ENGINE      := $(wildcard worker/engines/slots.c worker/engines/rows.c)
NETWORK     := $(call sources,worker/weights) $(wildcard worker/network.c proto/preset.c)
WORKER      := $(call sources,worker worker/calibration worker/fetch worker/image worker/weights) $(wildcard worker/engines/sim.c) $(ENGINE)

LIB_common      := $(OBJ)/libcommon.a
LIB_proto       := $(OBJ)/libproto.a
LIB_coordinator := $(OBJ)/libcoordinator.a
LIB_worker      := $(OBJ)/libworker.a
LIB_test        := $(OBJ)/libtest.a
LIB_demo        := $(OBJ)/libdemo.a

PROGRAMS := $(if $(wildcard coordinator/main.c),$(BUILD)/sleddog-coordinator) $(if $(wildcard worker/main.c),$(BUILD)/sleddog-worker)
# The GPU engine: cudnn*.c know nothing of CUDA (tests run them on a CPU), gpu_*.c and kernels.cu do.
CUDNN_PLAIN := $(wildcard worker/engines/cudnn*.c)
CUDNN_CUDA  := $(wildcard worker/engines/gpu_*.c)
PLUGINS  := $(if $(wildcard worker/engines/onednn.c),$(BUILD)/sleddog-engine-onednn.so) $(if $(HAVE_CUDA),$(BUILD)/sleddog-engine-cudnn.so)

all: $(PROGRAMS) $(PLUGINS) $(if $(HAVE_CUDA),,no-cuda)

no-cuda:
	@echo 'note: sleddog-engine-cudnn.so (GPUs) is not built: nvcc with g++, cuDNN 9 or cublasLt were not found, CUDA=$(CUDA)'

$(LIB_common): $(call objects,$(COMMON))
$(LIB_proto): $(call objects,$(PROTO))
$(LIB_coordinator): $(call objects,$(filter-out coordinator/main.c,$(COORDINATOR)))
$(LIB_worker): $(call objects,$(filter-out worker/main.c,$(WORKER)))
$(LIB_test): $(call objects,$(filter-out tests/torture_db.c,$(call sources,tests tests/cluster/lib)) $(CUDNN_PLAIN) $(filter-out %/onednn.c,$(wildcard worker/engines/onednn*.c)))
$(LIB_demo): $(call objects,$(filter-out %_main.c,$(call sources,tests/demo)))
$(OBJ)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR )
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

$(OBJ)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(CC) $(ALL_CFLAGS) $(CFLAGS_$(<D)) -c -o $@ $<

$(BUILD)/sleddog-coordinator: $(OBJ)/coordinator/main.o $(LIB_coordinator) $(LIB_proto) $(LIB_common)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_coordinator) $(LIBS_proto) $(LIBS_common)

$(BUILD)/sleddog-worker: $(OBJ)/worker/main.o $(LIB_worker) $(LIB_proto) $(LIB_common)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_worker) $(LIBS_proto) $(LIBS_common)

$(BUILD)/sleddog-engine-onednn.so: $(call objects,$(wildcard worker/engines/onednn*.c) $(ENGINE) $(NETWORK)) $(LIB_common)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -o $@ $^ $(LIBS_onednn) $(call pkg,jansson,-ljansson) $(call pkg,zlib,-lz) $(LIBS_common)

$(call objects,$(CUDNN_CUDA) tests/gpu/plans.c): CFLAGS_EXTRA += $(CUDA_CFLAGS)

$(OBJ)/worker/engines/kernels.cu.o: worker/engines/kernels.cu $(wildcard worker/engines/kernels*.h) worker/engines/number.h Makefile
	@mkdir -p $(@D)
	$(call say,NVCC)
	$(Q)$(NVCC) $(NVCC_FLAGS) -c -o $@ $<

$(BUILD)/sleddog-engine-cudnn.so: $(call objects,$(CUDNN_PLAIN) $(CUDNN_CUDA) $(ENGINE) $(NETWORK)) $(OBJ)/worker/engines/kernels.cu.o $(LIB_common)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -shared $(if $(SANITIZE),,-Wl,-z,defs) -o $@ $^ $(LIBS_cudnn) $(call pkg,jansson,-ljansson) $(call pkg,zlib,-lz) $(LIBS_common)

# The GPU's real half over libraries that fail (test_gpu_cuda).
FAKE_CUDA   := $(sort $(wildcard tests/gpu/fake_cuda*.c))
CUDA_TESTED := $(if $(HAVE_CUDA),$(call objects,$(FAKE_CUDA) $(filter-out %gpu_plugin.c,$(CUDNN_CUDA))))
$(call objects,$(FAKE_CUDA) tests/unit/test_gpu_cuda.c): CFLAGS_EXTRA += $(CUDA_CFLAGS)
$(BUILD)/tests/unit/test_gpu_cuda: $(CUDA_TESTED)

# Says what cuDNN can do on GPUs that are not here (test_gpu_simulated).
$(BUILD)/tests/gpu/plans: $(call objects,tests/gpu/plans.c worker/engines/gpu_chain.c worker/engines/gpu_conv.c worker/engines/gpu_recipe.c worker/engines/gpu_search.c worker/engines/cudnn_shapes.c worker/engines/cudnn_stem.c worker/network.c common/why.c)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_cudnn)

# The same engine over the GPU of the tests, for whole workers (test_gpu_engine).
$(BUILD)/tests/gpu/sleddog-engine-cudnn.so: $(call objects,tests/gpu/fake_plugin.c tests/gpu/fake_support.c $(sort $(wildcard tests/fake_gpu*.c)) $(CUDNN_PLAIN) $(ENGINE) $(NETWORK)) $(LIB_common)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -o $@ $^ $(call pkg,jansson,-ljansson) $(call pkg,zlib,-lz) $(LIBS_common) -lm

# A worker of another protocol version (test_security, test_four_nodes): what knows the version is compiled again.
VERSIONED := $(wildcard proto/decode.c worker/handlers.c)
$(OBJ)/other/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(CC) $(ALL_CFLAGS) -DPROTOCOL_VERSION=9999u -c -o $@ $<

$(BUILD)/tests/other/sleddog-worker: $(VERSIONED:%.c=$(OBJ)/other/%.o) $(OBJ)/worker/main.o $(LIB_worker) $(LIB_proto) $(LIB_common)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_worker) $(LIBS_proto) $(LIBS_common)

# ---- packages: one list, deploy/packages ----------------------------------------------------------------------------
packages-%:
	@deploy/install-packages $*

# ---- tests: every tests/{unit,cluster}/test_*.c is a program ---------------------------------------------------------
TESTS  := $(sort $(wildcard tests/unit/test_*.c)) $(sort $(wildcard tests/cluster/test_*.c))
BINARY := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TESTS))
ALL_LIBS = $(LIB_test) $(LIB_demo) $(LIB_coordinator) $(LIB_worker) $(LIB_proto) $(LIB_common)
ALL_FOREIGN = $(LIBS_coordinator) $(LIBS_worker) $(LIBS_proto) $(LIBS_common)
LIBS_test_fit := $(LIBS_demo)
LIBS_test_onednn_vnni := $(LIBS_onednn)
LIBS_test_onednn_net := $(LIBS_onednn) -Wl,--wrap=vnni_works
# What tests/torture.c may refuse.
TORTURED := malloc calloc realloc free strdup strndup asprintf fopen opendir regcomp pthread_create eventfd zmq_ctx_new zmq_socket
$(foreach test,$(filter tests/unit/test_torture%,$(TESTS)),$(eval LIBS_$(basename $(notdir $(test))) := $(TORTURED:%=-Wl,--wrap=%)))
# Has an fsync() of its own, which no other program must find in a library.
$(BUILD)/tests/unit/test_torture_job $(BUILD)/tests/unit/test_torture_results: $(OBJ)/tests/torture_db.o

$(BUILD)/tests/%: $(OBJ)/tests/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $(filter %.o,$^) $(filter %.a,$^) $(ALL_FOREIGN) $(LIBS_$(basename $(@F)))

# A fuzz target without a fuzzer: replays the inputs in tests/corpus (test_corpus).
FUZZ   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY := $(FUZZ:%=$(BUILD)/tests/fuzz/%)

$(REPLAY): $(BUILD)/tests/fuzz/%: $(OBJ)/tests/fuzz/%.o $(OBJ)/tests/fuzz/replay.o $(filter-out $(LIB_test),$(ALL_LIBS))
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_FOREIGN)

$(BUILD)/tests/fuzz/fuzz_plans $(BUILD)/fuzz/fuzz_plans: $(call objects,worker/engines/cudnn_plans.c common/why.c common/sha256.c)
$(BUILD)/tests/unit/test_corpus: | $(REPLAY)
$(BUILD)/tests/cluster/test_security $(BUILD)/tests/cluster/test_four_nodes: | $(BUILD)/tests/other/sleddog-worker
$(BUILD)/tests/cluster/test_gpu_engine $(BUILD)/tests/unit/test_gpu_run: | $(BUILD)/tests/gpu/sleddog-engine-cudnn.so
$(BUILD)/tests/unit/test_gpu_simulated: | $(if $(HAVE_CUDA),$(BUILD)/tests/gpu/plans)

# What tests put in front of libc (LD_PRELOAD).
PRELOAD := $(patsubst tests/%.c,$(BUILD)/tests/%.so,$(sort $(wildcard tests/preload/*.c)))

$(PRELOAD): $(BUILD)/tests/%.so: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -fPIC -shared -Wall -Wextra $(if $(WERROR),-Werror) $(CFLAGS) -o $@ $< -ldl

tests: all $(BINARY) $(PRELOAD)

check: packages-check
	@$(MAKE) --no-print-directory tests
	@SLEDDOG_BUILD=$(abspath $(BUILD)) $(TEST_ENV_$(CONFIG)) tests/run $(BINARY)

# Sanitizers are slow, and stop a test at their first finding.
TEST_ENV_asan := SLEDDOG_TEST_TIME_SCALE=5 LSAN_OPTIONS=use_tls=0:suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
TEST_ENV_tsan := SLEDDOG_TEST_TIME_SCALE=10 TSAN_OPTIONS=halt_on_error=1:suppressions=$(CURDIR)/tests/tsan.supp

# Kill anything at any moment: CHAOS_SEEDS jobs, then one of CHAOS_IMAGES made-up images. `make check` has the first five seeds.
CHAOS_SEEDS  ?= 50
CHAOS_IMAGES ?= 200000

chaos: packages-check
	@$(MAKE) --no-print-directory all $(BUILD)/tests/cluster/test_chaos
	@SLEDDOG_BUILD=$(abspath $(BUILD)) $(TEST_ENV_$(CONFIG)) tests/chaos $(CHAOS_SEEDS) $(CHAOS_IMAGES)

# ---- fuzzing: FUZZ_SECONDS for each tests/fuzz/fuzz_*.c; what broke is left in build/fuzz ------------------------------
FUZZ_SECONDS ?= 60

$(FUZZ:%=$(BUILD)/%): $(BUILD)/%: $(OBJ)/tests/fuzz/%.o $(filter-out $(LIB_test),$(ALL_LIBS))
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_FOREIGN)

fuzz: packages-check
	@$(MAKE) --no-print-directory CONFIG=fuzz $(FUZZ:%=build/fuzz/%)
	@set -e; for target in $(FUZZ); do \
	    echo "-- $$target"; mkdir -p build/fuzz/corpus/$$target; \
	    build/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/$$target- \
	        build/fuzz/corpus/$$target tests/corpus/$${target#fuzz_}; \
	done

# ---- lint: all C and all shell scripts; what is not asked, and why, is in .clang-tidy and tests/cppcheck.supp -----------
lint: packages-lint
	@CUDA_FLAGS='$(if $(HAVE_CUDA),$(CUDA_CFLAGS))' tests/lint $(filter -D% -I%,$(ALL_CFLAGS))

# ---- the demo: tests/demo/NAME_main.c is a tool that draws, builds or fits -------------------------------------------
DEMO := $(patsubst %_main.c,$(BUILD)/%,$(wildcard tests/demo/*_main.c))

$(DEMO): $(BUILD)/tests/demo/%: $(OBJ)/tests/demo/%_main.o $(LIB_demo) $(LIB_worker) $(LIB_common)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_worker) $(LIBS_demo) $(LIBS_common)

# IMAGES=dir WEIGHTS=file TRUTH=regex [LABELS=file]: your own photos and model in place of the drawn and fitted ones.
demo: packages-demo
	@$(MAKE) --no-print-directory -s all $(DEMO)
	@tests/demo/run $(BUILD)

asan tsan clang:
	@$(MAKE) --no-print-directory CONFIG=$@ check

# ---- measuring: absolute figures mean little on shared cores, the ratios in one run do --------------------------------
bench: packages-check packages-bench all $(BUILD)/tests/bench/bench_export
	tests/bench/preprocess
	tests/bench/fast
	tests/bench/engine
	tests/bench/whole
	tests/bench/feed
	tests/bench/article
	tests/bench/sim
	tests/bench/coordinator
	tests/bench/fetch
	tests/bench/listing
	tests/bench/resume
	$(BUILD)/tests/bench/bench_export

# Throughput against the number of nodes: NODES="1 2 4 8" BATCH="1 60" and what else tests/bench/scale says.
scale: packages-check all
	@BUILD=$(abspath $(BUILD)) tests/bench/scale

# ---- installing: PREFIX for the programs, SYSCONFDIR for what an administrator writes, DESTDIR in front of all for packagers -----------
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),,$(PREFIX))/etc
BINDIR     := $(PREFIX)/bin
LIBDIR     := $(PREFIX)/lib
DOCDIR     := $(PREFIX)/share/doc/sleddog
UNITS      := sleddog-worker.service sleddog-coordinator@.service
fill        = sed 's|@BINDIR@|$(BINDIR)|g; s|@LIBDIR@|$(LIBDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' deploy/systemd/$(1) >'$(DESTDIR)$(2)' && chmod $(3) '$(DESTDIR)$(2)'
# A worker.conf that is there stays as it is; the example is in DOCDIR.
CONFIG_FILE := $(DESTDIR)$(SYSCONFDIR)/sleddog/worker.conf

install: all
	@$(MAKE) --no-print-directory install-built

install-built:
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/sleddog $(PREFIX)/share/man/man1 $(DOCDIR) $(SYSCONFDIR)/sleddog)
	install -d $(addprefix $(DESTDIR)$(LIBDIR)/,systemd/system systemd/system-generators sysusers.d)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	install -m 644 $(PLUGINS) $(DESTDIR)$(LIBDIR)/sleddog
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 deploy/worker.conf deploy/systemd/gpu.conf $(DESTDIR)$(DOCDIR)
	[ -e $(CONFIG_FILE) ] || install -m 644 deploy/worker.conf $(CONFIG_FILE)
	$(foreach unit,$(UNITS),$(call fill,$(unit),$(LIBDIR)/systemd/system/$(unit),644) &&) true
	$(call fill,sleddog-job,$(LIBDIR)/sleddog/sleddog-job,755)
	$(call fill,sleddog-generator,$(LIBDIR)/systemd/system-generators/sleddog-generator,755)
	$(call fill,sleddog.sysusers,$(LIBDIR)/sysusers.d/sleddog.conf,644)

# What an administrator wrote stays: a worker.conf that is not the example's, and everything else in SYSCONFDIR.
uninstall:
	rm -f $(patsubst $(BUILD)/%,$(DESTDIR)$(BINDIR)/%,$(PROGRAMS))
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard docs/man/*.1))
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/systemd/system/,$(UNITS)) $(DESTDIR)$(LIBDIR)/systemd/system-generators/sleddog-generator
	rm -f $(DESTDIR)$(LIBDIR)/sysusers.d/sleddog.conf
	! cmp -s $(CONFIG_FILE) $(DESTDIR)$(DOCDIR)/worker.conf || rm -f $(CONFIG_FILE)
	rm -rf $(DESTDIR)$(LIBDIR)/sleddog $(DESTDIR)$(DOCDIR)
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(SYSCONFDIR)/sleddog

clean:
	rm -rf build

.PHONY: all no-cuda install install-built uninstall tests check chaos fuzz lint bench scale demo asan tsan clang clean
.SECONDARY:
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
