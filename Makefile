# make          set up, and run the pipeline with the parameters in params.yaml
# make test     set up, and run the tests
# make RECIPE=NAME SOURCE=PATH   the pipeline on another competition or data set
# make help     all targets

.DEFAULT_GOAL := all
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The first Python of a suitable version; `make PYTHON=…` takes another.
PYTHON ?= $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
# Once TensorFlow for GPUs is installed, it stays.
ON_GPU := $(or $(GPU),$(wildcard $(BIN)/requirements-gpu.txt))
REQUIREMENTS := requirements$(if $(ON_GPU),-gpu).txt
# --no-compile: Python compiles what is imported, which is a small part.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps --no-compile
COMPILE := --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make update" --quiet
LOCK := $(BIN)/uv pip compile pyproject.toml $(COMPILE)
# tf-keras asks for tensorflow, which tensorflow-cpu is too.
WITHOUT_GPU := tensorflow; sys_platform != 'linux' or platform_machine != 'x86_64'
# The opponents of `make bench`: PyTorch's version, and the lock of everything else.
PEERS := tests/benchmarks/requirements-peers
PEER_LOCK := $(BIN)/uv pip compile $(PEERS).in $(COMPILE)
TORCH = $(shell sed -n 's/^torch==//p' $(PEERS).in)$(if $(filter Linux,$(shell uname -s)),+cpu)
# DVC runs each stage as `python -m stages.NAME`, with this Python.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH
# DVC's hints at git add and dvc push, which no setting of DVC turns off alone, and empty lines that they leave behind.
# Ctrl-C ends the stage and dvc; what they still print is printed.
HINTS := ^(To track the changes with git, run:|To enable auto staging, run:|Use `dvc push`.*|\t(git add|dvc config) .*)$$
WITHOUT_HINTS = (trap '' INT; awk '/$(HINTS)/ {next} !NF {blank = 1; next} blank {print ""; blank = 0} {print; fflush()}')

# A recipe (a name in recipes/ or the path of a file) that fills params.yaml first, and the data for it.
RECIPE ?=
SOURCE ?=
# The losses that `make compare` compares.
LOSSES ?= cce cce_dice
# Rows or groups of rows for `make bench`; empty: all except the group `memory`.
ROWS ?=
# The data for `make ablation`; empty: as its plan says.
DATA ?=
# The plan of `make ablation`, which lists the variants; empty: ablation.yaml.
PLAN ?=
# The tests that `make test` runs, by their marks in pyproject.toml.
MARKS ?= not long and not prove and not committed
# Files of tests for `make test` and `make fresh`; empty: all.
TESTS ?=
# For `make scale`: a folder with 25 GB of space, and the seconds of a GPU per training step and per image.
FOLDER ?=
GPU_SECONDS ?=
# For `make fuzz`: how long, and kinds of readers (tables yaml zips images labels json prepared kaggle); empty: all.
MINUTES ?= 5
KINDS ?=

.PHONY: all setup develop repro compare ablation pictures lesson test fresh current lint format prove fuzz bench bench-peers \
	coverage audit scale gpu-check update clean help

all: repro
	@python -m stages summary

setup: $(BIN)/$(REQUIREMENTS) .dvc/tmp/vega.js

# What the pages of `dvc plots` draw with, so that they need no network.
.dvc/tmp/vega.js: $(BIN)/$(REQUIREMENTS)
	@$(BIN)/python -m stages.figures.plots_script

# What tests and checks need besides.
develop: $(BIN)/requirements-dev.txt

$(BIN)/requirements-dev.txt: requirements-dev.txt $(BIN)/$(REQUIREMENTS)
	$(INSTALL) -r requirements-dev.txt | sed "/^Requirement already satisfied/d"
	@cp requirements-dev.txt $@

$(BIN)/$(REQUIREMENTS): $(REQUIREMENTS)
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: expected Python 3.11 to 3.13, found $$(python3 --version 2>/dev/null || echo none);" \
			"install one, or name it: make PYTHON=/path/to/python3.13" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; (3, 11) <= v[:2] <= (3, 13) or sys.exit( \
		f"make: expected Python 3.11 to 3.13, found {v[0]}.{v[1]} ($(PYTHON))")'
	@echo "make: installing $(REQUIREMENTS) into .venv: $(if $(ON_GPU),about 3 GB,0.6 GB) to download, a minute or two"
	"$(PYTHON)" -m venv .venv
# --no-deps: the lock is complete (see update). pip before 23.3 would resolve extras such as coverage[toml] again, and
# fail if there is a newer release than in the lock.
# Both are the module tensorflow, so one must go before the other comes.
	@$(BIN)/python -m pip uninstall --disable-pip-version-check --quiet --yes $(if $(ON_GPU),tensorflow-cpu,tensorflow) 2>/dev/null
	$(INSTALL) -r $(REQUIREMENTS)
	@git rev-parse --git-dir >/dev/null 2>&1 || $(BIN)/dvc config --local core.no_scm true
	@rm -f $(BIN)/requirements.txt $(BIN)/requirements-gpu.txt
	@cp $(REQUIREMENTS) $@

repro: setup
	$(if $(SOURCE),$(if $(RECIPE),,@echo "make: expected a recipe for $(SOURCE): make RECIPE=NAME SOURCE=PATH" >&2; exit 1))
	$(if $(RECIPE),@python -m stages recipe "$(RECIPE)" $(if $(SOURCE),--source "$(SOURCE)"))
	@python -m stages check
	@set -o pipefail; PYTHONUNBUFFERED=1 dvc repro | $(WITHOUT_HINTS)

# Starts from the committed params.yaml; the experiments compare-… run in copies and change nothing in this folder.
compare: setup
	@python -m stages compare --losses $(LOSSES)

# The variants of the plan as experiments, one after the other; what has run is not run again.
ablation: setup
	@python -m stages ablate $(if $(DATA),--data "$(DATA)") $(if $(PLAN),--plan "$(PLAN)")

# The pictures of README.md and docs/, of the finished run; then the output that their pages quote.
pictures: develop
	@python -m docs.pictures
	@python -m docs.quoted

# docs/lesson.ipynb, run in place: it works in a temporary clone of the last commit.
lesson: develop
	@python -m docs.lesson

# Time, memory and disk space of every stage at the competition's size.
scale: develop
	@if [ ! -d "$(FOLDER)" ]; then echo "make: expected a folder with 25 GB of space: make scale FOLDER=/path" >&2; exit 1; fi
	@python -m tests.benchmarks.full_scale --folder "$(FOLDER)" $(if $(GPU_SECONDS),--gpu $(GPU_SECONDS))

# What a GPU does with the recipe `severstal`, in at most six minutes. Writes metrics/gpu.json.
gpu-check: setup
	@python -m tests.benchmarks.gpu_check

test: develop
	pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "$(MARKS)" $(TESTS)

# Whether dvc.lock and metrics/ belong to the committed code and parameters. Another processor may round their last
# digits differently.
current: develop
	pytest -m committed

# The fast tests of the committed state, as a stranger gets it: a clone in an empty folder, with nothing beside it.
fresh: develop
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	git clone --quiet "$(CURDIR)" "$$folder/clone"; ln -s "$(CURDIR)/.venv" "$$folder/clone/.venv"; \
	env -u REAL_DATA -u REAL_DATA_FOLDER $(MAKE) --no-print-directory --directory="$$folder/clone" --assume-old=develop test \
		MARKS="not slow and not long and not prove and not committed" TESTS="$(TESTS)"

# Tests that take minutes: kills during training, other servers, long trainings.
prove: develop
	pytest -m "long or prove"

# Valid inputs that are changed at random, for every reader; those that end in a traceback, or that are read wrongly, are
# kept in .fuzzing/. The tests run a few of them.
fuzz: develop
	@python -m tests.fuzzing --minutes $(MINUTES) $(if $(KINDS),--only $(KINDS))

lint: develop
	ruff check
	ruff format --check
	mypy
	deptry .

format: develop
	ruff check --fix
	ruff format

# Speed compared with other libraries and bare loops, on an idle machine; ROWS="memory masks" measures some rows.
# Writes metrics/benchmarks.json.
bench: develop
	@python -m tests.benchmarks $(if $(ROWS),--only $(ROWS))

# PyTorch, segmentation_models_pytorch and onnxruntime, which some rows of `make bench` compare with, in a folder of their
# own: about 0.5 GB to download, 1.4 GB on the disk.
bench-peers: .bench-peers/requirements-peers.txt

# On Linux, PyPI's build of PyTorch does not start without gigabytes of CUDA libraries, which are left out of the lock.
# The build for CPUs has another version, so that pip takes no other. Compiled networks need a C++ compiler besides.
.bench-peers/requirements-peers.txt: $(PEERS).txt $(PEERS).in | develop
	@rm -rf .bench-peers
	$(BIN)/python -m venv .bench-peers
	@.bench-peers/bin/python -m pip install --disable-pip-version-check --no-deps "torch==$(TORCH)" || { \
		echo "make: bench-peers: expected torch $(TORCH) among the packages that pip finds, found none: name PyTorch's own" \
		"index of builds for CPUs (pytorch.org, Get Started) in PIP_EXTRA_INDEX_URL, or a folder that holds its file in" \
		"PIP_FIND_LINKS" >&2; exit 1; }
	.bench-peers/bin/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r $(PEERS).txt
	@cp $(PEERS).txt $@

# Lines of stages/ that no test reaches, in processes started by tests too. The tests of full disks are left out: their
# processes could not write down their coverage.
coverage: develop
	pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "$(MARKS)" --ignore=tests/test_faults.py \
		--cov --cov-report=term-missing:skip-covered

# Known vulnerabilities of the pinned packages. --strict: fail if a package could not be looked up.
audit: develop
	@uv tool run --from "pip-audit>=2.10,<3" pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
		-r $(REQUIREMENTS) 2>&1 | tail -n 40 || { echo "make: audit: expected every package of $(REQUIREMENTS) looked up" \
		"and without a known vulnerability, found otherwise: see above. 'Not found', 'not audited' or a failed" \
		"connection: pip-audit or PyPI's vulnerability service could not be reached" >&2; exit 1; }

# Newest versions that pyproject.toml allows; the tests decide whether they work.
update: develop
	$(LOCK) --override <(echo "$(WITHOUT_GPU)") --group dev --no-emit-package tensorflow --no-emit-package tensorflow-cpu \
		--upgrade -o requirements-dev.txt
	$(LOCK) --override <(echo "$(WITHOUT_GPU)") --constraint requirements-dev.txt -o requirements.txt
	$(LOCK) --extra gpu --no-emit-package tensorflow-cpu --constraint requirements.txt -o requirements-gpu.txt
	$(PEER_LOCK) --upgrade | awk '/^[a-z]/ {out = /^(cuda-|nvidia-|torch=|triton)/} !out' > $(PEERS).txt
	$(MAKE) develop
	@found=$$($(BIN)/python -m pip check | grep -v -e "^tf-keras .* requires tensorflow," -e "^No broken" || true); \
		if [ -n "$$found" ]; then echo "$$found" >&2; exit 1; fi
	$(MAKE) test

clean:
	rm -rf .venv .bench-peers data/raw data/prepared data/pseudo data/model data/state data/quantized data/probabilities data/test_probabilities \
		data/kaggle data/kernel
	rm -f data/explore.txt data/check_data.txt data/predicted.csv data/postprocess.json data/expected_dice.json data/report.html data/submission.csv

help:
	@echo "make          set up and run the pipeline; GPU=1 installs TensorFlow's CUDA libraries"
	@echo "make RECIPE=NAME SOURCE=PATH  the same for another competition or data set: python -m stages recipe lists them"
	@echo "make compare  train with two losses and compare them; LOSSES=\"focal lovasz\" takes others"
	@echo "make ablation what each variant of ablation.yaml (or PLAN=FILE) gains; DATA=PATH says on which data"
	@echo "make pictures  draw the pictures of README.md and docs/ from the finished run, and update the output they quote"
	@echo "make lesson   run docs/lesson.ipynb, and keep what it prints and draws"
	@echo "make scale    measure each stage at the competition's size; FOLDER=PATH names a folder with 25 GB of space;"
	@echo "              GPU_SECONDS=\"STEP IMAGE\" computes the time with a GPU of this speed"
	@echo "make gpu-check GPU=1  measure training, inference and memory on a GPU in at most six minutes"
	@echo "make test     set up and run the tests"
	@echo "make develop  set up, with what tests and checks need"
	@echo "make lint     ruff, mypy and deptry"
	@echo "make format   let ruff correct what it can"
	@echo "make prove    run the tests that take minutes"
	@echo "make fuzz     feed every reader with changed inputs for MINUTES=5; KINDS=\"zips images\" takes some kinds"
	@echo "make current  check that dvc.lock and metrics/ belong to the committed code"
	@echo "make fresh    run the fast tests in a clone with nothing beside it"
	@echo "make bench    compare the speed with other libraries and bare loops; ROWS=memory: how memory grows with the data"
	@echo "make bench-peers  install PyTorch and onnxruntime into .bench-peers, for the rows of make bench that need them"
	@echo "make coverage run the tests, and list the lines of stages/ that they do not reach"
	@echo "make audit    list known vulnerabilities of the pinned packages; needs the network"
	@echo "make update   take the newest versions that pyproject.toml allows, then run the tests"
	@echo "make clean    remove .venv, .bench-peers and the outputs of stages in data/; DVC's cache is kept"
