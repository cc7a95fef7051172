SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The durations of each fuzz target, of one package's tests at most (on a busy machine), and of the soak.
FUZZTIME ?= 10s
TIMEOUT ?= 30m
SOAK ?= 30m
# The number of tests of a package that run at once. Most of them wait.
PARALLEL ?= 4
# The package whose tests take longest. It starts first, and the others run beside it.
LONGEST := ./integration

# The output of --version; empty without a git history.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

PLATFORMS := darwin/arm64 windows/amd64
TOOL := go tool -modfile=tools/go.mod

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/ltsworker: one static program
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=$(VERSION)" -o bin/ ./cmd/ltsworker

.PHONY: test
test: redis postgres prometheus docker ## everything that has to pass before a change goes in: the steps in scripts/test.sh
	@scripts/test.sh

.PHONY: unit
unit: ## the tests that need no redis-server, without the race detector
	go test ./worker/... $$(go list ./executor/... | grep -v /docker$$) ./pool/...

# The work of these tests is done by programs that are built without the race detector, or they link SQLite, which is C
# translated to Go: it compiles for minutes with the race detector and is four times as slow. make soak runs them with it.
UNRACED := ./archive ./cmd/ltsworker ./console/sqlarchive ./docs ./export/sql ./internal/config
# Only packages with tests. For a package without tests, go test would compile all that it imports.
TESTED := -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}'

.PHONY: race
race: redis prometheus ## most tests, with the race detector (not in the processes that they start) and a real redis-server
	go test -vet=off -c -o bin/test/replica $(LONGEST)
	LTS_TEST_PROGRAM=$(CURDIR)/bin/test/replica go test -race -vet=off -parallel $(PARALLEL) -timeout $(TIMEOUT) $(LONGEST) $$(go list $(TESTED) ./... | grep -vE '/(archive|cmd/ltsworker|console/sqlarchive|docs|export/sql|internal/config|executor/docker)$$')

.PHONY: unraced
unraced: redis postgres ## the tests of the commands, the pages and the databases, without the race detector
	go test -vet=off -parallel $(PARALLEL) -timeout $(TIMEOUT) $(UNRACED)

.PHONY: emulated
emulated: redis ## the store's tests over miniredis and on a cluster, without the race detector
	go test -vet=off -timeout $(TIMEOUT) -run "$$(scripts/emulated.sh)" ./redisstore

.PHONY: redis
redis: ## find redis-server 7 or newer, or install it where that is possible
	@scripts/redis.sh

.PHONY: postgres
postgres: ## find the programs of PostgreSQL, or install them where that is possible
	@scripts/postgres.sh

.PHONY: prometheus
prometheus: ## find prometheus and promtool, or install them where that is possible
	@scripts/prometheus.sh

# In a directory go test also prints what the tests print that pass: which of them were not run.
.PHONY: containers
containers: redis docker ## the tests of executor/docker with an engine of their own (DOCKERD=none: not run)
	cd executor/docker && go test -race -vet=off -parallel $(PARALLEL) -timeout $(TIMEOUT)

.PHONY: docker
docker: ## find dockerd for the tests with containers, or install it where that is possible (DOCKERD=none: not run)
	@scripts/docker.sh

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, govulncheck
	@files=$$(gofmt -l .); if [[ $$files ]]; then printf 'not formatted, run make fmt:\n%s\n' "$$files"; exit 1; fi
	go vet ./...
	$(TOOL) staticcheck ./...
	@scripts/vuln.sh $(TOOL) govulncheck ./...

.PHONY: examples
examples: redis docker ## run the examples and check what they print
	@scripts/examples.sh

.PHONY: videocut
videocut: redis postgres ## test the example with ffmpeg and a page, in a browser
	@scripts/videocut.sh

.PHONY: browser
browser: redis ## test the console in a browser (BROWSER=-full: every page with every look; BROWSER=-soak: with a million tasks)
	@scripts/browser.sh $(BROWSER)

.PHONY: screenshots
screenshots: redis ## make the pictures of the console for the documentation anew
	@scripts/browser.sh -screenshots

.PHONY: polyglot
polyglot: redis ## run the clients and examples in other languages and check what they print
	@scripts/polyglot.sh

.PHONY: demo
demo: ## run the demo on a folder and check its figures
	@scripts/demo.sh

.PHONY: benchmarks
benchmarks: redis postgres ## run each benchmark once, and the scripts as make bench calls them
	go test -vet=off -run '^$$' -bench . -benchtime 1x -timeout $(TIMEOUT) \
		$$(grep -rl --include='*_test.go' --exclude-dir={bench,node_modules} '^func Benchmark' . | xargs -n 1 dirname | sort -u)
	cd bench && go test -vet=off ./drive

.PHONY: bench
bench: redis ## measure beside other task queues: 20 to 30 minutes on a machine that does nothing else (BENCH=-quick: a smoke run)
	cd bench && npm install --no-save --ignore-scripts --no-audit --no-fund --prefix bullmq && go vet ./... && go test ./... && go run . $(BENCH)

.PHONY: soak
soak: redis postgres prometheus docker ## the integration tests, the store's rules and an archive of 5,000,000 tasks at their full length and volume, all faults at random for SOAK (30m)
	go test -race -count 1 -parallel 1 -timeout 0 -v ./integration -soak=$(SOAK)
	go test -race -count 1 -timeout 0 ./redisstore -full -walk.steps=3000
	go test -vet=off -count 1 -timeout 0 -run "$$(scripts/emulated.sh)" ./redisstore -full
	go test -race -count 1 -timeout 0 $(UNRACED)
	go test -count 1 -timeout 0 ./console/bulk ./export/sql ./observe/metrics -soak
	scripts/browser.sh -full
	scripts/browser.sh -soak
	cd executor/docker && go test -count 1 -timeout 0 -soak
	go test -vet=off -count 1 -timeout 0 -v -run TestPagesAreReadByAnIndex/sqlite ./archive -rows 5000000

.PHONY: deploy
deploy: ## check the files that deploy a replica with what reads them
	@scripts/systemd.sh
	cd deploy && go vet ./... && go test ./...

.PHONY: picture
picture: ## record the demo anew for the README
	@scripts/picture.sh

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: cross
cross: ## check the types of all packages as they are on other systems
	go -C tools run ./typecheck .. $(PLATFORMS)

.PHONY: reference
reference: ## write docs/cli.md from what the commands say of themselves
	go test ./cmd/ltsworker -run TestReferenceIsWhatTheCommandsSay -count=1 -write-reference

.PHONY: fmt
fmt: ## format the code
	gofmt -w .

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin dist
	go clean -testcache
