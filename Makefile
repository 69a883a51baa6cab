# make demo      a first network, checked, counted, drawn and compiled, in under a minute
# make test      what CI runs: lint, then all tests but the slow ones
# make test-all  the slow ones too
# make fuzz      the compiler on damaged and random input
# make bench     speed, against the tools people use (PARTS="eager --quick" for some of it)
# make gallery   the drawings and figures of docs/gallery.md
# make web       fetches what the report page vendors, at the locked version; needs npm
# make format    puts the code in form

PYTHON ?= python3.11
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all fuzz bench gallery web lint format clean

demo: .stamps/core
	$(BIN)/archc build specs/nfnet_f0.arch
	@echo
	@echo "Look at build/nfnet_f0/nfnet_f0.svg, then write a network of your own: docs/language.md"

test: .stamps/dev lint
	$(BIN)/pytest -m "not slow" -n 2

test-all: .stamps/dev lint
	$(BIN)/pytest -n 2

fuzz: .stamps/dev
	$(BIN)/python -m tests.hostile.fuzz

bench: .stamps/bench
	$(BIN)/python -m benchmarks.run $(PARTS)

gallery: .stamps/dev
	$(BIN)/python -m benchmarks.gallery

web:
	tools/web.sh

lint: .stamps/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .stamps/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf build dist .stamps .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The small core: no torch. `check`, `count`, `draw`, `emit` need nothing more.
.stamps/core: pyproject.toml constraints.txt tools/install.sh
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	tools/install.sh -e .
	tools/graphviz.sh
	@mkdir -p .stamps && touch $@

# Everything the tests need. The peers are reference implementations to compare with; `--no-deps`, as
# they pin a torch of their own.
.stamps/dev: .stamps/core
	tools/install.sh -e '.[dev]'
	tools/install.sh --no-deps torchvision timm pyyaml tqdm filelock fsspec packaging pillow
	tools/install.sh fvcore torchinfo iopath portalocker
	tools/install.sh --no-deps thop ptflops
	tools/chromium.sh
	tools/postgres.sh
	@touch $@

# What the benchmarks compare with.
.stamps/bench: .stamps/dev
	tools/install.sh fvcore torchinfo
	tools/install.sh --no-deps ptflops
	@touch $@
