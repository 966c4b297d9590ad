"""Faults on purpose: many writers, kills, stops and signals at random moments; each scenario counts what broke.

The suite runs each scenario in a quick form (`test_faults.py`); `python -m tests.faults` runs them in full.
"""
