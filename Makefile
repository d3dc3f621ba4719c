# Two commands: `make demo` shows it, `make test` proves it. Both set up what they need first.

MEDIA := $(or $(REELMILL_MEDIA),$(wildcard $(abspath ../shared/media)))
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
# With the tests, so that dependencies are built once: tests ask some of them for more features.
BUILD := cargo build --locked --bins --tests

.DEFAULT_GOAL := help
.PHONY: help api demo test chaos corpus bench-api bench-engine bench-media setup fmt lint unit docs console clients players deploy

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, start the daemon, upload a clip, watch it become HLS, MP4s and a poster
	@infra/setup.sh build
	cargo build --profile demo --locked
	@infra/demo.sh

test: ## format check, lints, every test, documentation, a short chaos
	@infra/setup.sh test
	@$(MAKE) --no-print-directory fmt lint unit docs api console clients players deploy
	@$(MAKE) --no-print-directory chaos CHAOS_SECONDS=$(or $(CHAOS_SECONDS),20)

api: ## a live daemon against its OpenAPI document: generated requests, and a generated client
	@infra/setup.sh test
	$(BUILD)
	.venv/bin/python -m unittest discover -q -s tests/api

console: ## the web console in a browser, step by step; screenshots in target/console
	@infra/setup.sh test
	$(BUILD)
	.venv/bin/python -m unittest discover -q -s tests/console

clients: ## the embedded S3 endpoint with the clients that people have: SDKs, programs, forms, a browser
	@infra/setup.sh test
	$(BUILD)
	.venv/bin/python -W ignore::ResourceWarning -m unittest discover -q -s tests/clients

players: ## packages in hls.js, Shaka Player, dash.js and Video.js, in a browser, to the end (about three minutes)
	@infra/setup.sh test
	$(BUILD)
	.venv/bin/python -m unittest discover -q -s tests/players

deploy: ## what is in infra/: linted, validated, and the CloudFormation template brought to work on moto
	@infra/setup.sh test
	$(BUILD)
	infra/postgres.sh .venv/bin/python -m unittest discover -q -s tests/deploy

chaos: ## daemons and workers killed, stopped and cut off while they work, then everything counted
	@infra/setup.sh test
	$(BUILD)
	.venv/bin/python -m unittest discover -q -s tests/chaos
	CHAOS_SECONDS=$(or $(CHAOS_SECONDS),60) .venv/bin/python tests/chaos/chaos.py

corpus: export REELMILL_CORPUS := full
corpus: ## workflows/vod.yaml on every file of the media corpus (long)
	cargo test --locked --test it -- corpus:: --nocapture

bench-engine: ## executions per second on both stores, with their log and queue on disk (about ten minutes)
	@infra/setup.sh test
	POSTGRES_SETTINGS="fsync=on shared_buffers=512MB max_wal_size=8GB" infra/postgres.sh \
		cargo bench --locked --bench engine

bench-api: ## pages of 1,000 executions with 1,000,000 in the store, on both stores (about two minutes)
	@infra/setup.sh test
	cargo build --release --locked
	infra/postgres.sh .venv/bin/python tests/bench/listing.py

bench-media: ## media work beside the ffmpeg command line that does the same (about a quarter of an hour)
	@infra/setup.sh build
	cargo build --release --locked
	python3 tests/bench/media.py

setup: ## install what building and testing need (Debian, Ubuntu)
	@infra/setup.sh test

fmt:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings
	infra/deny.sh

unit: export REELMILL_MOTO := $(CURDIR)/.venv/bin/moto_server
ifneq ($(MEDIA),)
unit: export REELMILL_MEDIA := $(MEDIA)
endif
unit:
ifeq ($(MEDIA),)
	@echo "test: no REELMILL_MEDIA and no ../shared/media: tests over the media corpus are skipped"
else
	@echo "test: tests over the media corpus use $(MEDIA)"
endif
ifeq ($(NEXTEST),)
	infra/postgres.sh cargo test --locked
else
	infra/postgres.sh cargo nextest run --locked
	cargo test --locked --doc
endif

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
