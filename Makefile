# make          set up, and run the pipeline with the parameters in params.yaml
# make test     set up, and pass the tests
# make help     all there is

.DEFAULT_GOAL := all
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The first Python of the right version; `make PYTHON=…` takes another.
PYTHON ?= $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
REQUIREMENTS := requirements$(if $(GPU),-gpu).txt
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make update" --quiet --extra dev
# dvc starts each stage as `python -m stages.NAME`.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH

# The two losses that `make compare` compares.
LOSSES ?= cce cce_dice
# The rows or groups of rows that `make bench` measures; empty: all but `memory`.
ROWS ?=
# The data for `make ablation`; empty: as ablation.yaml says.
DATA ?=
# The tests that `make test` runs, by their marks in pyproject.toml.
MARKS ?= not prove and not committed
# For `make scale`: a folder with room, and seconds that a GPU takes for a training step and for an image.
FOLDER ?=
GPU_SECONDS ?=

.PHONY: all setup repro compare ablation pictures test fresh committed lint format prove bench coverage audit scale update \
	clean help

all: repro
	@python -m stages summary

setup: $(BIN)/$(REQUIREMENTS)

$(BIN)/$(REQUIREMENTS): $(REQUIREMENTS)
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: expected Python 3.11 to 3.13, found $$(python3 --version 2>/dev/null || echo none);" \
			"install one, or name it: make PYTHON=/path/to/python3.13" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; (3, 11) <= v[:2] <= (3, 13) or sys.exit( \
		f"make: expected Python 3.11 to 3.13, found {v[0]}.{v[1]} ($(PYTHON))")'
	@echo "make: installing $(REQUIREMENTS) into .venv: about 1 GB to download, some minutes"
	"$(PYTHON)" -m venv .venv
# --no-deps: the lock is whole (see update). pip before 23.3 would look up extras, as in coverage[toml], a second time,
# and stop at a release newer than the lock's.
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r $(REQUIREMENTS)
	@git rev-parse --git-dir >/dev/null 2>&1 || $(BIN)/dvc config --local core.no_scm true
	@cp $(REQUIREMENTS) $@

repro: setup
	@python -m stages check
	@dvc repro

# Starts from the committed params.yaml and changes nothing here: the experiments compare-… run in copies.
compare: setup
	@python -m stages compare --losses $(LOSSES)

# The variants of ablation.yaml as experiments, one after the other; what has run is not run again.
ablation: setup
	@python -m stages ablate $(if $(DATA),--data "$(DATA)")

# The pictures of README.md and docs/, of the finished run; then the output that their pages quote.
pictures: setup
	@python -m docs.pictures
	@python -m docs.quoted

# Time, memory and disk of every stage at the competition's size.
scale: setup
	@if [ ! -d "$(FOLDER)" ]; then echo "make: expected a folder with 25 GB of room: make scale FOLDER=/path" >&2; exit 1; fi
	@python -m tests.benchmarks.full_scale --folder "$(FOLDER)" $(if $(GPU_SECONDS),--gpu $(GPU_SECONDS))

test: setup
	pytest -n auto --maxprocesses 4 --dist loadfile -m "$(MARKS)"

# Whether dvc.lock and metrics/ belong to the committed code and parameters. Another processor may round their last
# digits differently.
committed: setup
	pytest -m committed

# The fast tests of the committed state, as a stranger gets it: a clone in an empty folder, with nothing beside it.
fresh: setup
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	git clone --quiet "$(CURDIR)" "$$folder/clone"; ln -s "$(CURDIR)/.venv" "$$folder/clone/.venv"; \
	env -u REAL_DATA -u REAL_DATA_FOLDER $(MAKE) --no-print-directory --directory="$$folder/clone" --assume-old=setup test \
		MARKS="not slow and not prove and not committed"

# What takes minutes: kills in mid-training, other servers, long trainings.
prove: setup
	pytest -m prove

lint: setup
	ruff check
	ruff format --check
	mypy
	deptry .

format: setup
	ruff check --fix
	ruff format

# Beside other libraries and bare loops, on an idle machine; ROWS="memory masks" measures some. Writes metrics/benchmarks.json.
bench: setup
	@python -m tests.benchmarks $(if $(ROWS),--only $(ROWS))

# Which lines of stages/ the tests never reach; processes that tests start are counted too. Without the tests of full
# disks, whose processes could not write down what they have covered.
coverage: setup
	pytest -n auto --maxprocesses 4 --dist loadfile -m "not prove" --ignore=tests/test_faults.py \
		--cov --cov-report=term-missing:skip-covered

# Known vulnerabilities of the pinned packages. --strict: a package that was not looked up is no package without any.
audit: setup
	@uv tool run --from "pip-audit>=2.10,<3" pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
		-r $(REQUIREMENTS) 2>&1 | tail -n 40 || { echo "make: audit: expected every package of $(REQUIREMENTS) looked up" \
		"and without a known vulnerability, found otherwise: see above. 'Not found', 'not audited' or a failed" \
		"connection: pip-audit or PyPI's vulnerability service could not be reached" >&2; exit 1; }

# Newest versions that pyproject.toml allows; the tests are the judge.
update: setup
	$(LOCK) --upgrade -o requirements.txt
	$(LOCK) --extra gpu --constraint requirements.txt -o requirements-gpu.txt
	$(MAKE) setup
	$(BIN)/python -m pip check
	$(MAKE) test

clean:
	rm -rf .venv data/raw data/prepared data/model data/state data/probabilities data/test_probabilities \
		data/kaggle data/kernel
	rm -f data/predicted.csv data/postprocess.json data/report.html data/submission.csv

help:
	@echo "make          set up and run the pipeline; GPU=1 brings TensorFlow's CUDA libraries"
	@echo "make compare  train with two losses and compare them; LOSSES=\"focal lovasz\" takes others"
	@echo "make ablation what each variant of ablation.yaml gains; DATA=PATH says on which data"
	@echo "make pictures  draw the pictures of README.md and docs/ from the finished run, and update the output they quote"
	@echo "make scale    what each stage needs at the competition's size; FOLDER=PATH says where there is room, and"
	@echo "              GPU_SECONDS=\"STEP IMAGE\" computes what a GPU of such speed would take"
	@echo "make test     set up and pass the tests"
	@echo "make lint     ruff and mypy"
	@echo "make format   let ruff mend what it can"
	@echo "make prove    the tests that take minutes"
	@echo "make bench    speed beside other libraries and bare loops; ROWS=memory: how memory grows with the data"
	@echo "make coverage the tests, and which lines of stages/ they never reach"
	@echo "make audit    known vulnerabilities of the pinned packages; needs the network"
	@echo "make update   newest versions that pyproject.toml allows, then the tests"
	@echo "make clean    remove .venv and what the stages made in data/; DVC's cache stays"
