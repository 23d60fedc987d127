"""The wire face: requests in the OpenAI and Anthropic formats, translated to calls of the engine."""
