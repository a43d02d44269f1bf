"""The computations behind the package's functions; private."""
