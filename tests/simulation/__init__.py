"""A simulated OpenAI-compatible server; `tests.simulated_server` is where it is imported from."""
