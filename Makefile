# The menu of this repository: `make help`. Each target calls a script that can also be called by hand.
SHELL := /bin/bash
PRESET ?= release
JOBS ?= $(shell nproc)
export IC_CACHE ?= $(HOME)/.cache/imageclassifier
export CCACHE_DIR ?= $(IC_CACHE)/ccache
export CCACHE_MAXSIZE ?= 5G

.DEFAULT_GOAL := help
.PHONY: help deps build images push demo demo-down demo-model test e2e sanitize sanitize-all fuzz campaign bench-operator bench-inference docs format clean

help: ## Show this menu
	@echo "ImageClassifier: a Kubernetes operator for image classification services"
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PRESET=$(PRESET) (dev, release, asan-ubsan, tsan)   IC_CACHE=$(IC_CACHE)"
	@echo "  DEMO_CLUSTER=box|existing|kind for demo: a cluster made here (root), your kubeconfig, or kind"

deps: ## Install the Debian packages that are missing (root or sudo)
	@scripts/deps

build: deps ## Compile both programs and all tests (PRESET=release)
	@cmake --preset $(PRESET) --log-level=WARNING
	@cmake --build --preset $(PRESET) -- -j$(JOBS)

images: build ## Build both images, with a bill of materials and their provenance (MODEL=FILE.safetensors; default: the demo model)
	@model="$${MODEL:-$$(scripts/demo-model)}" && docker/build-images --model "$$model"

push: ## Push the images that were built last (REGISTRY=contoso.azurecr.io TAG=1.0.0)
	@docker/push-images "$${REGISTRY:?say where to: make push REGISTRY=contoso.azurecr.io}" $${TAG:+--tag "$$TAG"}

demo: build ## From nothing to a classified picture: cluster, registry, images, helm install, kubectl apply
	@scripts/demo

demo-down: ## Remove everything that the demo made
	@scripts/demo down

demo-model: build ## Make the demo model: the ResNet101 architecture fitted to pictures that this project draws
	@scripts/demo-model

test: build ## Unit, integration and real-node tests; ends with one line "N passed, N failed, N skipped"
	@scripts/test

e2e: build ## Only the tests on the real node
	@scripts/test --label cluster

sanitize: deps ## Unit and integration tests under AddressSanitizer, UBSan and ThreadSanitizer
	@scripts/test --preset asan-ubsan
	@scripts/test --preset tsan

sanitize-all: deps ## The same with the tests that take long under a sanitizer (about 90 minutes)
	@scripts/test --preset asan-ubsan --all
	@scripts/test --preset tsan --all

fuzz: deps ## Fuzz every parser of outside bytes for FUZZ_SECONDS each (default 20)
	@scripts/fuzz

campaign: build ## The long randomised campaigns (CAMPAIGN=name picks one, CAMPAIGN_MINUTES=60 bounds them)
	@scripts/campaign

bench-operator: build ## Measure the operator: memory, latency, writes while idle (BENCH_COUNT=10000 BENCH_IDLE_SECONDS=600)
	@tests/benchmark/bench_operator

bench-inference: build ## Measure pictures-to-labels beside PyTorch, ONNX Runtime and OpenVINO (BENCH="--only models" for a part)
	@tests/benchmark/bench_inference $(BENCH)

docs: ## Write the generated pages, docs/api-reference.md and docs/troubleshooting.md, anew
	@docs/generate

format: ## Rewrite the C++ sources with clang-format
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format -i

clean: ## Remove the build folder (caches in IC_CACHE stay)
	@[ ! -e build/demo/state.json ] || { echo "clean: the demo is still there; run 'make demo-down' first" >&2; exit 1; }
	rm -rf build
