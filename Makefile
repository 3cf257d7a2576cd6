# Replidesk. "make" alone lists what there is; everything needs only Go.

GO          ?= go
FUNCTIONS   := provision verify progress
RACESYSTEM  := TestATicketBecomes|TestTwoTickets|TestTwoInstances|TestFaultSimulation
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SERVERLESS  := 3.1.10
BUILD       := $(GO) build -buildvcs=false -trimpath -ldflags "-s -w"

# What a deployment allows; "s deploy" copies it beside each function.
DESK ?= desk.json

# The local cloud runs the functions on this machine. Where that is not
# linux/amd64, they are built a second time for it.
HOST := $(shell $(GO) env GOOS)/$(shell $(GO) env GOARCH)
ifeq ($(HOST),linux/amd64)
LOCAL := dist
else
LOCAL := out/functions
endif

.DEFAULT_GOAL := help
.PHONY: help run local build package preview test race racequick lint bench generate presubmit clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build $(FUNCTIONS:%=$(LOCAL)/%/main) ## try everything: a local cloud, the example tickets, the result
	bin/replidesk run --functions $(LOCAL)

local: build $(FUNCTIONS:%=$(LOCAL)/%/main) ## keep a local cloud running, with the buckets of the example tickets
	bin/replidesk local --functions $(LOCAL) --speed 60 --examples --log out/functions.log

build: $(FUNCTIONS:%=dist/%/main) bin/replidesk ## build the functions, as they are deployed, and the command

package: $(FUNCTIONS:%=dist/%/main) ## pack the functions for those who deploy with other tools: dist/<function>.zip
	$(GO) run ./cmd/package $(if $(filter-out desk.json,$(DESK))$(wildcard $(DESK)),-desk $(DESK))

# Needs Node, and the variables of "Deploy" in README.md. The tool resolves the file and
# checks nothing of it here; pkg/internal/archtest does.
preview: ## show s.yaml as Serverless Devs resolves it
	npx --yes @serverless-devs/s@$(SERVERLESS) preview

test: ## run all tests
	$(GO) test -timeout 20m ./...

race: ## run all tests under the race detector
	$(GO) test -race -timeout 30m ./...

# Where goroutines meet: everything but the tests that run whole processes, and of
# the whole program the way of one ticket and a short fault simulation.
racequick:
	$(GO) test -race ./pkg/emulator/... ./pkg/engine ./pkg/journal/... ./pkg/sweep ./pkg/watch ./pkg/wiring ./pkg/meter ./pkg/kmskey ./pkg/mnsbus ./pkg/ossrepl ./pkg/ramgrant ./pkg/pairlog ./pkg/slotlog
	$(GO) test -race -run "$(RACESYSTEM)" ./pkg/internal/systemtest -sim.seeds=2

lint: ## check format, vet and staticcheck
	@files=$$(gofmt -l *.go cmd deploy functions pkg); if [ -n "$$files" ]; then echo "not formatted:" $$files; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: build ## print what a job costs: calls, journal writes, overhead, cold start, size
	$(GO) test -run '^$$' -bench . ./...

generate: ## draw what is generated from the code
	$(GO) generate ./...

presubmit: lint test racequick build ## everything that has to pass before a change is proposed
	$(GO) mod tidy -diff
	$(GO) mod verify

clean: ## remove everything that was built
	rm -rf bin dist out

dist/%/main: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(BUILD) -o $@ ./functions/$*

dist/%/desk.json: $(DESK) FORCE
	$(GO) run ./cmd/package -check -desk $(DESK)
	mkdir -p $(@D)
	cp $(DESK) $@

$(DESK):
	@echo "there is no $(DESK): copy deploy/desk.example.json to it and say in it what this desk may do"; exit 1

out/functions/%/main: FORCE
	CGO_ENABLED=0 $(BUILD) -o $@ ./functions/$*

bin/replidesk: FORCE
	CGO_ENABLED=0 $(BUILD) -o $@ ./cmd/replidesk

FORCE: # the Go tool knows best what has to be built again
