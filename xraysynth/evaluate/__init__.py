"""Proof: scores of exported masks against a judge trained apart."""
