"""Prompts laid out for the provider's cache: what stands where, where it is marked, and which writes pay."""
