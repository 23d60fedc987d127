"""Ten thousand hostile and strange requests: no failure of ours, no growth, nothing left behind.

Two gateways run as their users start them, one with virtual keys and one without, in front of an upstream that
answers at once and fails now and then. What is thrown at them is made by schemathesis from the OpenAPI description, and
by Hypothesis: bodies, packed bodies, headers, paths and methods, and what is no HTTP at all. Each twentieth of the run
has the same mixture, so memory at a tenth of it can be compared with memory at its end. Then atheris fuzzes the parsers
one by one. Findings go to standard error, with the bytes that show them.
"""
