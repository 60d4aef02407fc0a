"""The detractor alerting worker."""

#: The version, as pyproject.toml has it. It stands here too, since an image has the code, but no installed package.
__version__ = "0.2.0"
