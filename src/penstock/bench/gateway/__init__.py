"""The gateway beside its peers: CPU, latency, start and memory. One upstream, one load, one run; `suite` runs it all.

Upstream, load and gateways are processes of their own. An upstream answers as the question says, so that the same one
serves every measurement, and an answer can be checked to the letter.
"""
