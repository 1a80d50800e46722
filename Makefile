# chatbell: the commands a developer needs. "make help" lists them.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Where "make build" puts the program.
BIN := bin/chatbell

.PHONY: help setup build demo test quick flaky check bench fuzz clean

help: ## list the commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: ## fetch what building and testing needs; quick when nothing is to do
	@scripts/setup

build: setup ## build bin/chatbell
	@go build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/chatbell

demo: build ## play a day of chat on simulated phones (KEEP=1 leaves it running)
	@$(BIN) demo $(if $(KEEP),--keep)

test: setup ## run all tests with the race detector
	@scripts/race -timeout 20m ./...

# Many tests wait most of their time, so more of a package run side by side than there are
# cores. Vet is left to "make check".
quick: setup ## run the tests of the inner loop: all but test/, without the race detector
	@go test -timeout 5m -vet=off -parallel 8 $$(go list ./... | grep -v '/test/')

flaky: setup ## run the tests N times, half of them beside two busy loops (PKG=./... by default)
	@scripts/repeat $(or $(N),20) $(or $(PKG),./...)

check: setup ## format, vet, lint, conventions
	@scripts/check

bench: build ## measure against the raw limits, in ratios
	@go run ./bench

fuzz: setup ## run every fuzz target for 20 seconds
	@scripts/fuzz 20s

clean: ## remove what was built (not what was fetched)
	@rm -rf bin
