"""Measurements that print tables: `python benchmarks/NAME.py [--quick] [--json FILE]`. They are no tests."""
