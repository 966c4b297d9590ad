"""Faults on purpose: many writers, kills, stops and signals at random moments; each scenario counts what broke.

`test_faults.py` runs each scenario a few times, `pytest -m long` more often, and `python -m tests.faults` in full.
"""
