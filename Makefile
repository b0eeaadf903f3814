# Needs Python >= 3.9 with venv, a C compiler and make; everything else is put under .tools and .venv.

PYTHON ?= python3
UV_VERSION := 0.13.8
UV ?= .tools/bin/uv
BIN := .venv/bin

# A company's proxy is known only to the machine's own certificates; a bare container may have none.
ifneq ($(wildcard /etc/ssl/certs/ca-*.crt),)
export UV_SYSTEM_CERTS ?= 1
endif

# _native.c is Cython's output: were it listed, every build would ask for the next one.
SOURCES := $(filter-out %/_native.c,$(wildcard $(addprefix native/scriptnative/,*.pyx *.pxd *.pxi *.c *.h include/*.h)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install build demo test stress fuzz lint types layers bench dist lock clean distclean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

install: .venv/.installed  ## tools, locked dependencies and the project itself (editable), into .venv

build: install  ## rebuild the extension if native/ changed

demo: install  ## open the console on the greenhouse scripts
	$(BIN)/scriptconsole examples/greenhouse

test: install  ## the tests, without the stress ones; four at a time, since most of them wait
	$(BIN)/pytest -n 4 --dist worksteal

stress: install  ## the toughness tests, about two minutes; LONG=1: at length
	$(if $(LONG),STRESS_SECONDS=60 STRESS_CALLS=1000000 STRESS_LOADS=1000 STRESS_RELOADS=1000 STRESS_EXAMPLES=3000) \
		$(BIN)/pytest -m stress

fuzz: install  ## made-up input for parsers, decoders and the crossing; FUZZ_SECONDS=60 for each
	$(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),60)

lint: install  ## ruff: rules and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install  ## pyright, strict
	$(BIN)/pyright

layers: install  ## import-linter: arrows point down only
	$(BIN)/lint-imports --no-logo

bench: install  ## our figures next to a peer's; NAME="group bench ..." picks some
	$(BIN)/python -m tests.bench $(NAME)

# The wheel is built from the sdist, so an sdist that lacks a file fails here. No isolation: the build
# tools are the locked ones. An egg-info left in the tree would be taken for an installed copy.
dist: install  ## wheel and sdist, into dist/
	rm -rf dist build
	$(UV) build --quiet --no-build-isolation --python $(BIN)/python
	@rm -rf *.egg-info

# Annotations and index addresses stay out: the lock names no registry and no path of this machine.
lock: | $(UV)  ## write requirements.lock anew from pyproject.toml
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --group dev \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

clean:  ## remove what was built
	rm -rf build dist *.egg-info native/scriptnative/_native.c native/scriptnative/*.so .venv/.installed
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache snapshot_report.html
	find console engines native themes tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean  ## remove .venv and .tools as well
	rm -rf .venv .tools

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# A Python that is already here beats a download, the version in .python-version beats a newer one.
# pyenv's own folders come last on the path, for when its shims are set to another version.
# A .venv without this stamp was made by someone else's hand and is made again.
.venv/.created: export PATH := $(PATH)$(subst $() :,:,$(addprefix :,$(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/3.1[3-9]*/bin)))
.venv/.created: .python-version | $(UV)
	rm -rf .venv
	@$(UV) venv --quiet --no-python-downloads .venv 2>/dev/null \
	|| $(UV) venv --quiet --no-python-downloads --python '>=3.13' .venv 2>/dev/null \
	|| $(UV) venv .venv
	@touch $@

.venv/.synced: requirements.lock .venv/.created | $(UV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@touch $@

# setuptools' editable hook for several roots is an import finder that every interpreter pays for at its
# start, sub-interpreters included; a plain list of the four roots does the same for nothing, and pyright
# can read it. Removed before it is written because uv may have hard-linked it to its cache.
.venv/.installed: pyproject.toml $(SOURCES) .venv/.synced | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --reinstall-package scriptconsole --editable .
	@set -e; for hook in .venv/lib/python*/site-packages/__editable__.scriptconsole-*.pth; do \
		rm "$$hook"; printf '%s\n' "$(CURDIR)/console" "$(CURDIR)/engines" "$(CURDIR)/native" "$(CURDIR)/themes" >"$$hook"; \
	done
	@touch $@
