"""What a record of the alerts topic tells: an alert or an incident. Pure."""

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from schemas import cloudevents
from schemas.alert import Alert
from schemas.incident import Incident, IncidentKind

Told = Alert | Incident

_BY_TYPE: Mapping[bytes, type[Told]] = {cloudevents.ALERT.encode(): Alert, cloudevents.INCIDENT.encode(): Incident}
_BY_KIND: Mapping[str, type[Told]] = dict.fromkeys(IncidentKind, Incident)


class _Kind(BaseModel):
    kind: str


def told_in(value: bytes, event_type: bytes | None = None) -> Told:
    """Return the event that a value is, by its type, which is in the header `ce_type`; without one, by its kind.

    Raise ValidationError if it is neither an alert nor an incident.
    """
    return (_BY_TYPE.get(event_type or b"") or _by_kind(value)).model_validate_json(value)


def _by_kind(value: bytes) -> type[Told]:
    try:
        return _BY_KIND.get(_Kind.model_validate_json(value).kind, Alert)
    except ValidationError:
        return Alert  # it is none, as whoever reads it as one will find
