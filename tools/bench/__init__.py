"""How fast the library is beside the bare passes of its networks: `python -m tools.bench`."""
