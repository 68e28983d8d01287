"""The repository's own tests need pytest's test harness; the plugin itself comes by its entry point."""

pytest_plugins = ["pytester"]
