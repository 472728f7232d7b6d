# Every development task. `make help` lists them; each can be run by hand with the command it shows.
# CI runs `make lint` and `make test`, nothing else.

CARGO ?= cargo
HOST  := $(shell rustc -vV | sed -n 's/^host: //p')
BIN   := target/release/pantry

.DEFAULT_GOAL := help
.PHONY: apps conformance test-mz size-mzp help build test lint bench dist demo test-full soak fuzz faults many powercut coverage mutants doc scale size format prerequisites

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the release binary, target/release/pantry (and mzp beside it)
	RUSTFLAGS="$$RUSTFLAGS $$(sh src/build/flags.sh every)" $(CARGO) rustc --release --bin pantry -- $$(sh src/build/flags.sh)
	ln -sf pantry target/release/mzp

prerequisites: ## what the tests lean on (strace, python3, node): installed by apt-get where that is possible
	@sh tests/prerequisites.sh

test: prerequisites ## everything CI tests, at most 15 minutes on two cores; says what it left out, counts at the end
	@sh tests/run.sh

test-full: prerequisites ## at most 75 minutes: also the real registry, every kill point, the ledger against the specification
	@PANTRY_TEST_FULL=1 sh tests/run.sh

lint: ## rustfmt, clippy (also of the build for MinZ alone), the ledger, the house's rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --quiet --no-default-features --bin pantry -- -D warnings
	$(CARGO) test --quiet --test ledger --test house

format: ## rustfmt
	$(CARGO) fmt --all

demo: ## the first run of a newcomer: a mirror, an install and a MinZ build, with the network cut off
	@sh tests/demo.sh

doc: ## the crates' documentation, target/doc
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

size: build ## the binary beside its budget
	@sh tests/size.sh $(BIN) 3355443 "release, stripped, dynamic"

test-mz: prerequisites ## the MinZ tests with a real compiler in the stand-in's place: MZ=/path/to/mz make test-mz
	@[ -x "$$MZ" ] || { echo "make test-mz: MZ names no compiler (MZ=/path/to/mz)" >&2; exit 1; }
	MINZ_REAL="$$MZ" $(CARGO) test --no-fail-fast --test mzp
	MINZ_REAL="$$MZ" $(CARGO) test --no-fail-fast --test scripts mzp/

# Bytes before speed: the hot crates too, the outliner without its bound.
SMALL = $(foreach crate,zlib-rs flate2 sha2 miniserde,--config 'profile.release.package.$(crate).opt-level="z"')

size-mzp: prerequisites ## the build for MinZ alone, without npm and a network: what it can do, and its size beside its budget
	$(CARGO) build --quiet --bin pantry
	RUSTFLAGS="$$(sh src/build/flags.sh every)" $(CARGO) rustc --release --bin pantry --no-default-features --target-dir target/mzp $(SMALL) -- $$(sh src/build/flags.sh 1)
	@sh tests/mzp-only.sh target/debug/pantry target/mzp/release/pantry
	@sh tests/size.sh target/mzp/release/pantry 1300000 "mzp only, release, stripped, dynamic"

dist: ## fully static binaries with their hashes in target/dist (needs libc.a: Debian's libc6-dev)
	RUSTFLAGS="-C target-feature=+crt-static $$(sh src/build/flags.sh every)" $(CARGO) rustc --release --bin pantry --target $(HOST) -- $$(sh src/build/flags.sh)
	@mkdir -p target/dist
	@cp target/$(HOST)/release/pantry target/dist/pantry-$(HOST)
	@cd target/dist && sha256sum pantry-$(HOST) > pantry-$(HOST).sha256
	@sh tests/size.sh target/dist/pantry-$(HOST) 4404019 "release, stripped, static"

conformance: prerequisites ## real manifests resolved by npm and by pantry against the same frozen registry; ranges beside npm's semver
	node tests/conformance/compare.mjs
	node tests/conformance/ranges.mjs

apps: prerequisites build ## 33 real tools (tsc, vite, next, jest, webpack, …) installed in each linker and started, beside npm's and pnpm's trees: an hour
	node tests/apps/run.mjs

bench: ## the specification's ten benchmarks beside bun, pnpm and npm, in one table of ratios
	@sh tests/bench/run.sh

faults: ## kills the commands, and lets them fail, at every system call that counts (strace), not at a sample; full disks in 48 sizes; 100 kills of a crowd
	PANTRY_FAULTS=all $(CARGO) test --test faults -- --nocapture

many: ## sixteen processes over one store and two mirrors for a minute (PANTRY_MANY: seconds)
	PANTRY_MANY=$${PANTRY_MANY:-60} $(CARGO) test --test many -- --nocapture

powercut: ## power cuts on vfat and ext4 in user-mode Linux: 25 per command and file system (PANTRY_POWERCUT_CUTS)
	@sh tests/powercut/run.sh

scale: ## what mirrors of 100,000 packages (PACKAGES) take to fill, change, carry, join and clean up: time, memory, bytes
	$(CARGO) bench --quiet --bench scale -- $(or $(PACKAGES),100000)

# What a later step builds says so, and is not taken for a success.
# What `make soak` runs, one a line; each gets the release binary as its argument. All run, whatever fails.
SOAK = \
  tests/soak/popular.py \
  tests/soak/differential.sh

soak: build prerequisites ## by hand, hours: real packages in bulk, changed archives by the hundred thousand
	@failed=; for part in $(SOAK); do echo "== $$part"; ./$$part $(BIN) || failed="$$failed $$part"; done; \
	[ -z "$$failed" ] || { echo "make soak: failed:$$failed" >&2; exit 1; }

fuzz: ## cargo-fuzz over everything that reads: FUZZ_SECONDS=600 for each, FUZZ_TARGETS="archive range" for some
	@sh tests/fuzz/run.sh

coverage: prerequisites ## line coverage of the crates, in total and by area (cargo-tarpaulin)
	@sh tests/coverage.sh

mutants: ## cargo-mutants over commits, archives and trust (MUTANTS_FILES, MUTANTS_SHARD=0/8): no survivor without a reason
	@sh tests/mutants.sh
