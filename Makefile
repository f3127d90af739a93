# Everything a contributor or CI runs. `make help` lists the targets.

GO       ?= go
FUZZTIME ?= 3s
# Arguments of `make run` and `make chaos-long`, e.g. make run ARGS='--listen 127.0.0.1:8080'
ARGS     ?=

# Pinned; fetched through the Go module proxy and cached by the go command, without touching go.mod.
GOLANGCI_LINT := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

PHASE := test/scripts/phase.sh

.DEFAULT_GOAL := help
.PHONY: help build run test deps format vet lint test-unit budget fuzz test-interop test-e2e console test-console chaos chaos-long bench bench-quick bench-profile crowd release package vuln clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## build ./lightpush
	$(GO) build -trimpath -o lightpush ./cmd/lightpush

run: ## start everything in one process with the embedded store (ARGS=…)
	$(GO) run ./cmd/lightpush $(ARGS)

# One after the other, also under make -j: the phases would only slow each other down.
test: ## everything: install what is missing, check, unit tests, fuzzing, end-to-end tests
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory format
	@$(MAKE) --no-print-directory vet
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory budget
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory test-interop
	@$(MAKE) --no-print-directory test-e2e
	@$(MAKE) --no-print-directory test-console
	@$(MAKE) --no-print-directory chaos

deps: ## install the Debian and npm packages the tests need
	@$(PHASE) deps test/scripts/deps.sh

format: ## fail on files that are not gofmt-ed
	@$(PHASE) format test/scripts/gofmt.sh

vet: ## go vet, the end-to-end tests included
	@$(PHASE) vet $(GO) vet -tags e2e,interop,chaos ./...

lint: ## golangci-lint with .golangci.yml
	@$(PHASE) lint $(GOLANGCI_LINT) run ./...

test-unit: ## unit tests with the race detector; needs nothing but Go
	@$(PHASE) test-unit $(GO) test -race -count=1 ./...

# Not under the race detector, which allocates itself. Times are compared too, but only to warn.
budget: ## what the hot paths allocate, against test/budget/budgets.yaml; 1 minute (UPDATE=1 notes it anew)
	@$(PHASE) budget $(GO) run ./test/budget

fuzz: ## run every fuzz target for FUZZTIME (3s)
	@$(PHASE) fuzz test/scripts/fuzz.sh $(FUZZTIME)

test-interop: ## the same transcripts to the engine, Node's socket.io and the reference peer in Go
	@$(PHASE) test-interop $(GO) test -tags interop -count=1 -run 'TestTranscripts|TestPage' ./test/interop

test-e2e: ## the built binary with official clients, Redis and nginx
	@$(PHASE) test-e2e $(GO) test -tags e2e -count=1 -p 1 -v -timeout 30m ./test/e2e/...

console: ## build adminui/dist from adminui/web (commit both)
	npm ci --prefix adminui/web --no-audit --no-fund
	npm run --prefix adminui/web build

# Pictures of every screen are left in CONSOLE_ARTEFACTS, or else below the system's temporary directory.
test-console: ## the console: unit tests, then every screen in a browser against the built binary
	@$(PHASE) test-console test/scripts/console.sh

chaos: ## kill, freeze and cut for 3 minutes; a ledger names what was lost
	@$(PHASE) chaos $(GO) test -tags chaos -count=1 -v -timeout 15m ./test/chaos

# Not cached, no time limit but its own. Every run prints the command that repeats it.
chaos-long: ## the same as long and hard as you like (ARGS='-seed 7 -duration 10m -out DIR')
	$(GO) test -tags chaos -count=1 -v -timeout 0 ./test/chaos $(if $(ARGS),$(ARGS),-duration 10m)

# Never part of test: figures are for people to read, and mean little on a busy machine.
bench: ## measure beside the peers, 15 minutes; writes doc/performance.md and its pictures
	$(GO) run ./test/bench/cmd/bench -write

bench-quick: ## the same with small sizes, 3 minutes; writes nothing
	$(GO) run ./test/bench/cmd/bench -quick -timeout 5m

# Needs some 6 GB of memory and 20,000 file descriptors per process.
crowd: ## 60,000 clients at once on this machine; prints the figures of doc/scaling.md
	E2E_CROWD=$${E2E_CROWD:-60000} $(GO) test -tags e2e -count=1 -v -timeout 40m -run 'TestCrowd$$' ./test/e2e

bench-profile: ## CPU profiles of connector and engine under load, into test/bench/profiles
	$(GO) run ./test/bench/cmd/bench -profile test/bench/profiles

release: ## binaries for five systems, deb and rpm with checksums into dist/ (VERSION=…)
	@$(PHASE) release packaging/release.sh $(VERSION)

package: ## build the Debian package and install it into a throw-away copy of this system (root)
	@$(PHASE) package test/scripts/package.sh

# Not part of test: a machine without the Internet cannot run it, and what it says changes without a change here.
vuln: ## govulncheck, or what can be done without its database
	@$(PHASE) vuln test/scripts/vuln.sh

clean: ## remove what the build leaves behind
	rm -f lightpush
	rm -rf test/e2e/clients/node_modules test/interop/node/node_modules test/bench/node/node_modules adminui/web/node_modules test/console/node_modules test/bench/profiles
