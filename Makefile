# gentask: `make help` lists what there is. `make test` is the whole of what CI checks.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PKG ?= ./...
FUZZTIME ?= 10s
SIM_SEEDS ?= 10000
BENCH ?= .
COUNT ?= 1
TIMEOUT ?= 20m
# Of RabbitMQ: 3.10, 4.0 or 4.3 for a private node of that version; empty for the one that is there.
VERSION ?=
WITH_RABBITMQ := scripts/with-rabbitmq $(if $(VERSION),--version $(VERSION))
# The versions on which a whole run tests RabbitMQ once more.
RABBITMQ_TOO ?= $(if $(VERSION)$(RUN)$(filter-out ./...,$(PKG)),,4.3)

# The versions on which `make matrix` tests PostgreSQL, beside the machine's.
POSTGRES_TOO ?= 17 18

# bench/, cmd/gentask/, dashboard/browsertest/, examples/metrics/, examples/outbox/, isolate/wasm/, queue/postgres/, queue/watermill/ and tools/
# are modules of their own, so that the library depends neither on its peers, nor on pgx, Prometheus, watermill, wazero or a browser's
# client, nor on what builds, measures and steers it.
MODULES := . $(patsubst %/go.mod,%,$(wildcard bench/go.mod cmd/gentask/go.mod dashboard/browsertest/go.mod examples/metrics/go.mod examples/outbox/go.mod isolate/wasm/go.mod queue/postgres/go.mod queue/watermill/go.mod tools/go.mod))

# The tools are built once for each version of Go; tools/go.mod pins them.
BIN := $(CURDIR)/.cache/bin/$(shell go env GOVERSION)
LINT := $(BIN)/golangci-lint
GOFUMPT := $(BIN)/gofumpt
GOTESTSUM := $(BIN)/gotestsum

# A clone that git does not trust (another owner) must build all the same.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
# The race detector needs cgo; Go turns that off by itself where it finds no C compiler.
race test cover: export CGO_ENABLED = 1

# One step after the other: they share two cores and one broker.
.NOTPARALLEL:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: cc vet lint race sim-check bench-check ## Everything that CI checks: vet, lint, all tests under the race detector (finds or starts RabbitMQ and PostgreSQL)

.PHONY: race
race: $(GOTESTSUM) cc postgres languages chromium ## All tests under the race detector [PKG=./queue/... RUN=Scenario07 COUNT=20 VERSION=4.3]
	MODULES='$(if $(filter ./...,$(PKG)),$(MODULES),.)' RABBITMQ_TOO='$(RABBITMQ_TOO)' \
		$(WITH_RABBITMQ) scripts/test $(GOTESTSUM) -count=$(COUNT) -timeout $(TIMEOUT) $(VETTED) $(if $(RUN),-run '$(RUN)') $(PKG)

.PHONY: matrix
matrix: $(GOTESTSUM) cc postgres matrix-watermill matrix-disk matrix-fleet ## What `make test` leaves out: other versions of RabbitMQ and PostgreSQL, watermill's suite, a full file system [RABBITMQ_TOO="4.0" POSTGRES_TOO="17"]
	MODULES= RABBITMQ_TOO='$(if $(filter command line environment,$(origin RABBITMQ_TOO)),$(RABBITMQ_TOO),4.0)' POSTGRES_TOO='$(if $(wildcard queue/postgres/go.mod),$(POSTGRES_TOO))' \
		scripts/test $(GOTESTSUM) -count=$(COUNT) -timeout $(TIMEOUT) ./...

# A 64-bit processor runs 32-bit programs; other machines can't.
.PHONY: test32
test32: ## The tests of the actors as a 32-bit program, on amd64
	$(if $(filter amd64,$(shell go env GOHOSTARCH)),CGO_ENABLED=0 GOARCH=386 go test -count=$(COUNT) -timeout $(TIMEOUT) ./actor ./internal/cell ./task ./supervision)

# With the tests' flag, vet and lint use the packages that the tests need: otherwise all are compiled twice. What vet has seen need not be
# seen again by each test.
test: AS_TESTED = -race
test: VETTED = -vet=off

.PHONY: vet
vet: ## go vet
	$(foreach module,$(MODULES),go -C $(module) vet $(AS_TESTED) ./... &&) true

# With 3 GiB the linter takes two thirds of the processor time.
.PHONY: lint
lint: $(LINT) structure prose snippets mutants ## golangci-lint: the rules of .golangci.yml, formatting included; `make structure`; `make prose`; `make snippets`; the list of survivors
	export GOFLAGS='$(GOFLAGS) $(AS_TESTED)' GOGC=400 GOMEMLIMIT=3GiB; $(foreach module,$(MODULES),(cd $(module) && $(LINT) run --config $(CURDIR)/.golangci.yml ./...) &&) true

# The bounds are flags of tools/structure; comments start with #.
.PHONY: structure
structure: ## How entangled the files of the root package are, and whether it is in bounds [SHOW="-v -exported"]
	go -C tools run ./structure -dir $(CURDIR) $$(sed 's/#.*//' tools/structure/bounds.txt) $(SHOW)

# Paths that are left out are flags of tools/prose; comments start with #.
.PHONY: prose
prose: ## Words and lengths of sentences, in the documentation and in comments except those of tests [SHOW=-tests]
	go -C tools run ./prose -dir $(CURDIR) $$(sed 's/#.*//' tools/prose/exempt.txt) $(SHOW)

.PHONY: snippets
snippets: ## Compile the Go code of the documentation, and check that its commands exist
	GOFLAGS='$(GOFLAGS) $(AS_TESTED)' go -C tools run ./snippets -dir $(CURDIR) -fragments $(CURDIR)/tools/snippets/fragments.txt

.PHONY: site
site: ## The documentation as a static site in .cache/site, with the packages and a search [VERSION=v1.2.0 for that tag]
	@scripts/site '$(VERSION)' -out $(CURDIR)/.cache/site

.PHONY: site-serve
site-serve: ## The same, served on this machine until it is interrupted [ADDRESS=127.0.0.1:8000]
	@scripts/site '$(VERSION)' -out $(CURDIR)/.cache/site -serve $(or $(ADDRESS),127.0.0.1:8000)

.PHONY: mutate
mutate: ## Mistakes in the core that no test sees [FILES="reconcile.go session.go" MATCH="remove:"]
	@mkdir -p .cache/mutate
	nice go -C tools run ./mutate -dir $(CURDIR) -work $(CURDIR)/.cache/mutate $(if $(MATCH),-match '$(MATCH)') $(FILES)

.PHONY: mutants
mutants:
	go -C tools run ./mutate -dir $(CURDIR) -check

.PHONY: fmt
fmt: $(GOFUMPT) ## Format all Go files (gofumpt), and wrap the prose of comments and of the documentation
	$(GOFUMPT) -l -w .
	go -C tools run ./prose -dir $(CURDIR) -wrap $$(sed 's/#.*//' tools/prose/exempt.txt)
	go -C tools run ./markdown -dir $(CURDIR)

.PHONY: cover
cover: cc postgres ## Coverage: .cache/coverage.out, and a table of the packages
	@mkdir -p .cache
	scripts/with-rabbitmq go test -race -count=1 -timeout $(TIMEOUT) -coverpkg=./... -coverprofile=.cache/coverage.out ./... >.cache/coverage.log \
		|| { cat .cache/coverage.log; exit 1; }
	@scripts/coverage .cache/coverage.out

.PHONY: fuzz
fuzz: ## Run each fuzz target for a while [FUZZTIME=10s]
	scripts/fuzz $(FUZZTIME)

.PHONY: sim
sim: ## The deterministic simulation with many seeds [SIM_SEEDS=10000]
	GENTASK_SIM_SEEDS=$(SIM_SEEDS) go test -count=1 -timeout 60m -run TestSimulation ./...

# The packages with tests that call rig.Some or rig.Seeds.
SAMPLED = $(sort $(dir $(shell grep -rlwE -e 'rig[.]Some' -e 'rig[.]Seeds' --include='*_test.go' --exclude-dir=.cache .)))

.PHONY: sim-check
sim-check: ## The simulations, and tests of many cases, whole and without the race detector: `make race` tries some
	go test -count=1 $(VETTED) -run '^TestSimulation(Everything|Repeats)?$$' . ./fleet
	names=$$(scripts/sampled $(SAMPLED)) && go test -count=1 $(VETTED) -run "^($$names)$$" $(SAMPLED)

.PHONY: chaos
chaos: chaos-postgres ## Real brokers, real faults, up to an hour: two tables, chaos.json and chaos-postgres.json [VERSION=4.3]
	@scripts/get-rabbitmq '$(or $(VERSION),3.10)' >/dev/null
	GENTASK_RABBITMQ_VERSION=$(VERSION) GENTASK_CHAOS=full GENTASK_CHAOS_JSON=$(CURDIR)/chaos.json go -C internal/chaos test -count=1 -timeout 60m

.PHONY: chaos-postgres
chaos-postgres: postgres
	GENTASK_CHAOS=full GENTASK_CHAOS_JSON=$(CURDIR)/chaos-postgres.json go -C queue/postgres test -count=1 -timeout 25m ./scenario

# Fleets on RabbitMQ 4.3: a usual run has them on the machine's version only.
.PHONY: matrix-fleet
matrix-fleet: cc
	scripts/with-rabbitmq --version 4.3 go test -race -count=$(COUNT) -timeout $(TIMEOUT) -run '^Test((Store|Bus)Conformance|RabbitMQ)$$' ./queue/rabbitmq ./fleet

.PHONY: matrix-watermill
matrix-watermill: ## Watermill's universal test suite over memory, rabbitmq, nats and embedded, 2 minutes
	scripts/with-rabbitmq go -C queue/watermill test -count=1 -timeout $(TIMEOUT) -tags matrix ./internal/universal

.PHONY: matrix-disk
matrix-disk: ## The embedded broker on a full file system; needs root, or user namespaces
	go test -count=1 -timeout $(TIMEOUT) -tags matrix -run TestFullFileSystem ./queue/embedded

.PHONY: examples
examples: ## Build the examples and run their tests
	go build -o /dev/null ./examples/...
	scripts/with-rabbitmq go test -count=1 -timeout $(TIMEOUT) ./examples/...

.PHONY: reference
reference: ## Write the reference of the command gentask: docs/cli.md and its man page
	go -C cmd/gentask generate .

.PHONY: screenshots
screenshots: chromium ## The pictures of docs/dashboard.md: the pages of examples/dashboard, after five minutes
	@mkdir -p docs/images
	GENTASK_SCREENSHOTS=$(CURDIR)/docs/images go -C dashboard/browsertest test -count=1 -run '^TestScreenshots$$' .

.PHONY: cross
cross: ## Build for other systems [SYSTEMS="solaris/amd64 linux/386"]; minutes the first time, then seconds
	scripts/cross $(SYSTEMS)

.PHONY: bench
bench: ## Go's benchmarks of all modules [BENCH=Kernel]
	$(foreach module,$(MODULES),scripts/with-rabbitmq go -C $(module) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./... &&) true

# Kernel and pair take turns, so that what else the machine does strikes both.
.PHONY: bench-check
bench-check: ## What a job costs, compared with the limits in bench/guard
	@mkdir -p .cache
	go test -c -o .cache/bench.test .
	for turn in 1 2 3; do .cache/bench.test -test.run '^$$' -test.bench '^Benchmark(Kernel|Pair)$$' -test.benchmem -test.benchtime 100000x; done \
		>.cache/bench.txt
	.cache/bench.test -test.run '^$$' -test.bench '^BenchmarkBlocked$$' -test.benchtime 1x >>.cache/bench.txt
	go -C bench run ./guard <.cache/bench.txt
	go test -count=1 $(VETTED) -run '^TestCosts$$' ./isolate

.PHONY: outdated
outdated: ## Direct dependencies and tools of all modules that have a newer version
	@scripts/outdated $(MODULES)

.PHONY: tools
tools: $(LINT) $(GOFUMPT) $(GOTESTSUM) ## Build the pinned tools

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .cache

.PHONY: postgres
postgres:
	@scripts/get-postgres 15 >/dev/null
	@scripts/apt-install pgbouncer pgbouncer

.PHONY: cc
cc:
	@scripts/apt-install "$${CC:-gcc}" gcc libc6-dev

# Package isolate is tested with workers in these languages.
.PHONY: languages
languages:
	@scripts/apt-install python3 python3
	@scripts/apt-install node nodejs

# The pages of package dashboard are tested in it.
.PHONY: chromium
chromium:
	@scripts/apt-install "$${GENTASK_CHROMIUM:-chromium}" chromium

$(LINT): PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(GOFUMPT): PACKAGE := mvdan.cc/gofumpt
$(GOTESTSUM): PACKAGE := gotest.tools/gotestsum
$(LINT) $(GOFUMPT) $(GOTESTSUM): tools/go.mod tools/go.sum
	CGO_ENABLED=0 go -C tools build -trimpath -o $@ $(PACKAGE)
	@touch $@
