# make demo    builds phoned and carries a call between two of them: the timeline, and what was heard
# make test    all tests, against real peers (half an hour or so on two cores)
# make bench   load, and speech over bad lines, phoned beside baresip, into docs/BENCHMARKS.md
# make run     the daemon in the foreground with config/phoned.toml, socket target/phoned.sock
# make deb     target/debian/phoned_*.deb: both programs, units, man pages, completions; checked by lintian
# make package-test  that package on a clean Debian 12 (debootstrap): installed, a call, removed, purged without a trace
# make lint    clippy and rustfmt
# make contract  writes tests/data/openrpc.json and docs/API.md anew, after the API has changed
# make fuzz    10 million mutated messages, 125,000 random scripts of users over three phones
# make soak    all tests in release with the long proofs in full: 200,000 calls on a bad network, 500 sessions for a
#              minute, 10,000 real calls, 200 kills, 10 million messages; then package-test
#
# What is missing is installed with apt and said first. Rust itself is yours to install; the line is printed.

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
NEED := tests/tools/need.sh

.PHONY: deb package-test demo test bench run lint contract fuzz soak build
.DEFAULT_GOAL := build

build:
	@$(NEED) rust build
	cargo build --release

demo:
	@$(NEED) rust build demo
	cargo build --release
	@python3 tests/tools/demo.py target/release/phoned

test:
	@$(NEED) rust test
	@tests/tools/test.sh

bench:
	@$(NEED) rust build bench
	cargo bench --bench load

run: build
	target/release/phoned --config config/phoned.toml --socket target/phoned.sock

deb: build
	@$(NEED) deb
	target/release/phonectl generate target/generated
	cargo deb --no-build --strip
	lintian --fail-on error target/debian/phoned_*.deb

package-test: deb
	@$(NEED) debian
	cargo test --release --test service_package_in_debian -- --ignored --nocapture

lint:
	@$(NEED) rust build
	cargo clippy --all-targets -- -D warnings
	cargo fmt --check

contract:
	@$(NEED) rust build
	PHONED_BLESS=1 cargo test --test rpc_discover_describes_the_api

fuzz:
	@$(NEED) rust build
	PHONED_FUZZ=10000000 cargo test --release --test fuzz_bytes --test rpc_fuzz_lines -- --nocapture
	PHONED_FUZZ=10000000 cargo test --release --test phone -- in_any_order any_order_of --nocapture

soak:
	@$(NEED) rust test
	@PHONED_SOAK=1 PHONED_FUZZ=10000000 tests/tools/test.sh --release
	@$(MAKE) package-test
