"""The AsyncAPI 3.0 document of the public topics, as the worker sees it: it receives responses and sends the rest.

https://www.asyncapi.com/docs/reference/specification/v3.0.0 and .../docs/reference/bindings/kafka
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from schemas.catalog import CONTRACTS, Contract
from schemas.cloudevents import SOURCE, SPEC_VERSION, STRUCTURED_CONTENT_TYPE

PREFIX = "nps"
_BINDING = "0.5.0"
_ABOUT = (
    "The events of the NPS worker on Kafka. The worker publishes CloudEvents 1.0 in binary mode: the record's value is "
    "the data, and its headers are the attributes. It accepts responses in binary mode, in structured mode and as "
    "plain JSON, and alert commands in binary mode and as plain JSON. Within a version, fields are only added, so "
    "ignore fields that you do not know. If a channel has events of several types, the header `ce_type` and the field "
    "`kind` say which type an event has."
)


def document() -> dict[str, Any]:
    """Return the document; for the payloads it refers to the files in `json/`, which is in the same folder."""
    public = [contract for contract in CONTRACTS if contract.public]
    topics = [list(sharing) for _, sharing in groupby(public, attrgetter("topic"))]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "NPS worker", "version": "1.0.0", "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {sharing[0].topic: _channel(sharing) for sharing in topics},
        "operations": dict(_operation(sharing) for sharing in topics),
        "components": {"messages": _messages(public)},
    }


def _channel(sharing: Sequence[Contract]) -> dict[str, Any]:
    """Return the channel of the contracts that share a topic; what is about the topic is the same for all of them."""
    contract = sharing[0]
    return {
        "address": f"{PREFIX}.{contract.topic}",
        "description": _summary(sharing),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(sharing)},
        "bindings": {
            "kafka": {
                "topicConfiguration": {"cleanup.policy": ["compact" if contract.compacted else "delete"]},
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(sharing: Sequence[Contract]) -> tuple[str, dict[str, Any]]:
    contract = sharing[0]
    action = "receive" if contract.consumed else "send"
    return f"{action}-{contract.topic}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{contract.topic}"},
        "summary": _summary(sharing),
        "messages": [{"$ref": f"#/channels/{contract.topic}/messages/{name}"} for name in _messages(sharing)],
    }


def _summary(sharing: Sequence[Contract]) -> str:
    return " ".join(contract.summary for contract in sharing)


def _messages(contracts: Sequence[Contract]) -> dict[str, Any]:
    return {name: message for contract in contracts for name, message in _messages_of(contract).items()}


def _messages_of(contract: Contract) -> dict[str, Any]:
    """Return a contract's messages by name: the event, its structured form where accepted, the null value if any."""
    data = {"$ref": f"./json/{contract.name}.schema.json"}
    found = {contract.name: _message(contract, contract.summary, data, headers=_headers(contract))}
    if contract.structured:
        summary = "The same in a CloudEvent in structured mode."
        structured = _message(contract, summary, _envelope(data), content_type=STRUCTURED_CONTENT_TYPE.decode())
        found[f"{contract.name}-structured"] = structured
    if contract.tombstone is not None:
        found[f"{contract.name}-tombstone"] = _message(contract, contract.tombstone, {"type": "null"})
    return found


def _message(
    contract: Contract,
    summary: str,
    payload: dict[str, Any],
    *,
    headers: dict[str, Any] | None = None,
    content_type: str = "application/json",
) -> dict[str, Any]:
    key = {"type": "string", "description": contract.key}
    return {
        "summary": summary,
        "contentType": content_type,
        **({} if headers is None else {"headers": headers}),
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }


def _headers(contract: Contract) -> dict[str, Any]:
    """Return the headers' schema. A publisher may leave them all out; what is emitted has them all."""
    fixed = {"ce_specversion": SPEC_VERSION, "ce_type": contract.event_type, "content-type": "application/json"}
    if contract.consumed:
        known = {"ce_specversion": {"type": "string", "const": SPEC_VERSION}, **_trace(contract)}
        about = "The attributes of a CloudEvent in binary mode. A record without them is accepted, too."
        return {"type": "object", "description": about, "properties": known}
    properties: dict[str, Any] = {name: {"type": "string", "const": value} for name, value in fixed.items()}
    properties["ce_source"] = {"type": "string", "const": SOURCE}
    about = "If the event is published again, it has the same id. Ignore an event whose id you have handled."
    properties["ce_id"] = {"type": "string", "description": about}
    properties["ce_time"] = {"type": "string", "format": "date-time"}
    required = sorted(properties)
    return {
        "type": "object",
        "required": required,
        "properties": {**dict(sorted(properties.items())), **_trace(contract)},
    }


def _trace(contract: Contract) -> dict[str, Any]:
    """Return the schema of the header of traces, by its name; nothing if the event never has it."""
    if not contract.carries_trace:
        return {}
    about = "The W3C trace context of the response, in the form of version 00, if its publisher has set a valid one."
    return {"traceparent": {"type": "string", "description": about}}


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {name: {"type": "string"} for name in ("id", "source", "type")}
    properties = {"specversion": {"type": "string", "const": SPEC_VERSION}, **attributes, "data": data}
    return {"type": "object", "required": list(properties), "properties": properties}
