"""The survey tools whose deliveries are understood, by their names in the settings."""

from collections.abc import Mapping
from types import MappingProxyType

from worker.flow.responses.formats import (
    cloudevents,
    delighted,
    formbricks,
    google_forms,
    hubspot,
    posthog,
    qualtrics,
    surveymonkey,
    survicate,
    template,
    typeform,
    wootric,
)
from worker.flow.responses.formats.tool import Tool

TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        module.TOOL.name: module.TOOL
        for module in (
            cloudevents,
            delighted,
            formbricks,
            google_forms,
            hubspot,
            posthog,
            qualtrics,
            surveymonkey,
            survicate,
            template,
            typeform,
            wootric,
        )
    }
)
