"""Metrics of generation and verification: what filtering a model's responses by a verifier's scores gains.

Source of every definition: 2412.02674 ("Mind the Gap"). Utilities are 0 or 1 (a response is wrong or correct), so
U_max = 1; all accuracies, gaps and shares are fractions, not percent.
"""
