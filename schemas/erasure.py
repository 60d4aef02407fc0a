"""The erasure: a customer was erased. Receivers of webhooks get it; on Kafka, a null value says the same."""

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier


class Erasure(Event):
    """A customer was erased. Receivers erase what they keep about this customer."""

    customer_id: Identifier
    occurred_at: AwareDatetime = Field(description="The Kafka time of the record that erased the customer.")
