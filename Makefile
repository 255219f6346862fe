# The commands of this repository. `make run` and `make test` set up what they need and take seconds when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup worker run demo test check bench deploy clean

PORT ?= 8787
MINUTES ?= 5
RATE ?= 5

# Node 22 comes from the npm package `node`; the machine's own Node only has to run `npm ci`.
export PATH := $(CURDIR)/node_modules/.bin:$(HOME)/.cargo/bin:$(PATH)

# The wasm-bindgen command must be the very version of the library in Cargo.lock.
WASM_BINDGEN_VERSION := $(shell awk '/^name = "wasm-bindgen"$$/ { getline; gsub(/"/, "", $$3); print $$3 }' Cargo.lock)
WORKER_BUILD_VERSION := $(shell awk '/^name = "worker"$$/ { getline; gsub(/"/, "", $$3); print $$3 }' Cargo.lock)
RUST_VERSION := $(shell awk -F'"' '/^channel/ { print $$2 }' rust-toolchain.toml)
WASM_BINDGEN := .tools/wasm-bindgen-cli-$(WASM_BINDGEN_VERSION)/bin/wasm-bindgen
WORKER_BUILD := .tools/worker-build-$(WORKER_BUILD_VERSION)/bin/worker-build
# Named after what is in it.
RECEIVERS := .tools/receivers-$(shell cksum <tests/support/receivers/requirements.txt | cut -d' ' -f1)
CARGO_MACHETE := .tools/cargo-machete-0.9.2/bin/cargo-machete
RUST := node_modules/.cache/rust-$(RUST_VERSION)

help: ## this list
	@awk -F': .*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: node_modules/.package-lock.json $(RUST) $(WASM_BINDGEN) $(WORKER_BUILD) ## toolchain, npm packages and build tools

node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or later (https://nodejs.org)"; exit 1; }
	npm ci --no-audit --no-fund
	touch $@

benches/node_modules/.package-lock.json: benches/package.json benches/package-lock.json
	npm ci --prefix benches --no-audit --no-fund
	touch $@

$(RUST): rust-toolchain.toml | node_modules/.package-lock.json
	scripts/rust.sh $(RUST_VERSION)
	mkdir -p $(@D) && touch $@

$(WASM_BINDGEN): | $(RUST)
	scripts/cargo-tool.sh wasm-bindgen-cli $(WASM_BINDGEN_VERSION)

$(WORKER_BUILD): | $(RUST)
	scripts/cargo-tool.sh worker-build $(WORKER_BUILD_VERSION)

# Without them every other test still runs.
$(RECEIVERS):
	-scripts/receivers.sh $@

$(CARGO_MACHETE): | $(RUST)
	scripts/cargo-tool.sh cargo-machete 0.9.2

# What the Worker is made of; unit tests, their snapshots and what they leave behind are not.
SOURCES := $(shell find src monitoring assets migrations schema build.rs .cargo -type f \
	-not -name '.*' -not -name tests.rs -not -name '*.snap*' 2>/dev/null) Cargo.toml Cargo.lock rust-toolchain.toml

worker: build/index.js ## the Worker: build/index.js and build/index_bg.wasm

# Where the sources lie on this machine is nobody's business, and two kilobytes.
REMAP := --remap-path-prefix=$(CURDIR)= --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/=

build/index.js: $(SOURCES) | setup
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$(REMAP)" \
	WASM_BINDGEN_BIN=$(CURDIR)/$(WASM_BINDGEN) WASM_OPT_BIN=$(CURDIR)/node_modules/.bin/wasm-opt \
	ESBUILD_BIN=$(CURDIR)/node_modules/.bin/esbuild $(WORKER_BUILD) --release -- --locked
	node scripts/pack-wasm.mjs build/index_bg.wasm node_modules/.bin/wasm-opt
	touch $@

run: worker ## the site and the console on http://localhost:$PORT, with the demo site behind
	@node scripts/run.mjs --port $(PORT)

demo: setup ## demo traffic against a running `make run`, for MINUTES at RATE visits a second
	@node demo/traffic.mjs --port $(PORT) --minutes $(MINUTES) --rate $(RATE)

test: worker $(RECEIVERS) ## every test, the end-to-end ones in the real runtime
	RECEIVERS=$(CURDIR)/$(RECEIVERS) scripts/test.sh

check: worker $(CARGO_MACHETE) ## what must hold beside the tests: lints, documentation, dependencies, sizes, migrations
	CARGO_MACHETE=$(CARGO_MACHETE) scripts/check.sh

bench: worker benches/node_modules/.package-lock.json ## measurements against peers in the same run (BENCH="--quick --only=speed")
	node benches/run.mjs $(BENCH)

deploy: worker ## remote D1 migrations, then the Worker; ENV=staging for that environment
	wrangler d1 migrations apply DB --remote $(if $(ENV),--env $(ENV))
	wrangler deploy $(if $(ENV),--env $(ENV))

clean: ## what was built, not the tools
	rm -rf build node_modules benches/node_modules .wrangler
	cargo clean
