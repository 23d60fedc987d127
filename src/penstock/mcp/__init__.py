"""The face for agents: a server of the Model Context Protocol (MCP) with the tool that gets originals back."""
