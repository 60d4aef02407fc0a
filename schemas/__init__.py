"""The wire: one event per file, as pydantic models.

`python -m schemas` writes the JSON Schemas (`schemas/json/`) and the AsyncAPI document (`schemas/asyncapi.yaml`).
"""
