"""The detractor alerting worker."""

#: The same version as in pyproject.toml. The code must know it itself, since a container image holds no installed
#: package.
__version__ = "0.2.0"
