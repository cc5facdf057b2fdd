# The front door. Every target brings what it needs: it installs Debian packages when it may, and otherwise stops at once
# and prints the one line to run. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
PYTHON := .venv/bin/python
export JOBS

.PHONY: help demo test check build python wheel install bench fuzz test-arm64 coverage clean

help: ## lists the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## embeds the Python and manual pages of this machine, searches them, opens the table with pylance
	@scripts/bootstrap.sh build python demo
	@scripts/build-python.sh
	@$(PYTHON) examples/demo.py

test: ## everything that must hold: checks, unit to interop tests, each SIMD level, sanitizers, fuzz corpora
	@scripts/bootstrap.sh build python test
	@scripts/test.sh

check: ## formatting, floor order, banned calls, exported symbols, links in the docs
	@scripts/bootstrap.sh build python test
	@scripts/check.sh

build: ## the C library and the command line (build/release)
	@scripts/bootstrap.sh build
	@cmake --preset release >/dev/null && cmake --build --preset release

python: ## the Python package, importable from .venv
	@scripts/bootstrap.sh build python
	@scripts/build-python.sh

wheel: ## dist/quiver-*.whl, one file with everything in it
	@scripts/bootstrap.sh build python wheel
	@scripts/build-wheel.sh

install: build ## library, header, pkg-config, CMake config and command line into PREFIX (/usr/local)
	@cmake --install build/release --prefix $(PREFIX)

bench: ## measures Quiver beside its peers in one run; writes bench/results
	@scripts/bootstrap.sh build python test bench
	@scripts/build-python.sh
	@scripts/bench.sh

fuzz: ## libFuzzer with ASan and UBSan, FUZZ_SECONDS (default 60) per target
	@scripts/bootstrap.sh build test
	@scripts/fuzz.sh

test-arm64: ## builds the NEON kernels with a cross compiler and runs their tests under emulation
	@scripts/bootstrap.sh build arm64
	@scripts/test-arm64.sh

coverage: ## line coverage of the unit tests, in build/coverage
	@scripts/bootstrap.sh build test coverage
	@scripts/coverage.sh

clean: ## removes everything that was built
	@rm -rf build .venv dist
