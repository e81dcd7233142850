# Targets that everybody relies on; docs/operations.md says what each shows.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VERSION ?= $(shell installers/version.sh 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/dockline/dockline/proto/wire.Version=$(VERSION)
# Code that starts, reads or writes little is not inlined: that is 650 KB of a Windows agent, which may have 20 MB.
COLD := net/http crypto/tls crypto/x509 net/rpc encoding/gob html/template text/template/... github.com/alecthomas/kong github.com/goccy/go-yaml/... regexp/... debug/...
BUILD := -tags grpcnotrace -trimpath $(foreach pattern,$(COLD),-gcflags=$(pattern)=-l) -ldflags '$(LDFLAGS)'
TESTENV := go run ./testenv/cmd/dockline-testenv
export CGO_ENABLED ?= 0

.PHONY: reference reproduce archives cross build demo deps test bench package lint proto verify sim

build: ## every binary, into bin/
	go build $(BUILD) -o bin/ ./agent/cmd/... ./collector/cmd/... ./testenv/cmd/...
	for plugin in $(notdir $(patsubst %/main.go,%,$(wildcard plugins/*/main.go))); do go build $(BUILD) -o "bin/dockline-plugin-$$plugin$$(go env GOEXE)" "./plugins/$$plugin"; done

demo: ## the whole system on this machine; ONCE=1 runs one day and checks it, ERP=tryton takes the real ERP, ORDERS=FILE, SEED=n
	@$(TESTENV) demo

deps: ## the servers that tests run against; the only place that installs anything
	@testenv/deps.sh

test: deps ## everything, against real servers too; FULL=1 takes the full counts
	@mkdir -p .build
	@go build -o .build/dockline-testenv ./testenv/cmd/dockline-testenv
	@go vet ./...
	@(go test -json -timeout $(if $(FULL),2h,8m) ./... || true) > .build/test.json
	@.build/dockline-testenv results .build/test.json

bench: ## one JSON object a line, beside peers; AREA= selects, TABLE= writes a page (docs/performance.md)
	@$(TESTENV) bench

package: ## what a release has, into dist/: archives, .deb, .rpm, .msi, SBOM, checksums
	@installers/package.sh '$(VERSION)' $(BUILD)

reproduce: ## makes the packages twice from two clones, and says what is not the same; AGAINST=FILE holds them against the SHA256SUMS of a release
	@installers/reproduce.sh $(AGAINST)

archives: ## runs what package has built: Linux here and under qemu-user, Windows under Wine
	@testenv/archives.sh '$(VERSION)'

cross: ## every system's build without cgo; the journal's tests as ARM programs under qemu-user and as a Windows one under Wine
	@testenv/cross.sh

lint: ## gofmt, vet for Linux and Windows, staticcheck, the layers test
	@test -z "$$(git ls-files '*.go' | grep -v '\.pb\.go$$' | xargs gofmt -l | tee /dev/stderr)"
	go vet ./...
	GOOS=windows go vet ./agent/... ./plugins/... ./collector/... ./proto/... ./testenv/cmd/...
	go tool staticcheck ./...
	go test -count=1 -run TestLayers .

reference: ## docs/plugin-configuration.md out of the plugins' schemas; a test holds the page against them
	@go test ./plugins/reference -run AsGenerated -count=1 -update >/dev/null

proto: ## generate the Go of proto/, lint it, hold it against the baseline
	@proto/generate.sh

verify: ## what is delivered has a passing, unskipped test; generated files are as generated
	@proto/check.sh
	@test -f .build/test.json || $(MAKE) test
	@$(TESTENV) capabilities .build/test.json

sim: ## SEEDS=n days of the simulated world, each checked; FIRST=n the first seed; OPEN=n,m known to fail; SEED=n one day alone, with its trace
	@$(TESTENV) sim
