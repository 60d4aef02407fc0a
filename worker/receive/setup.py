"""What somebody enters in each survey tool, so that it delivers to the worker."""

from collections.abc import Mapping
from types import MappingProxyType

from worker.receive.settings import SourceSettings
from worker.receive.signatures import Scheme

#: The steps in each tool. {url}: the address; the secret is never printed.
_STEPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "delighted": (
            "In Delighted, open Integrations > Webhooks.",
            "Add a webhook with the URL {url}, for new and for updated responses.",
            "Copy the signing key that Delighted shows to the setting secrets.",
        ),
        "formbricks": (
            "In Formbricks, open the webhooks of the environment, and add one with the URL {url}.",
            "Select the triggers Response Created, Response Updated and Response Finished.",
            "Copy the signing secret, which begins with whsec_, to the setting secrets.",
        ),
        "google-forms": (
            "In Google Cloud, make a Pub/Sub topic with a push subscription to {url}.",
            "Let the Forms API watch the form for RESPONSES on this topic, and renew the watch within 7 days.",
        ),
        "hubspot": (
            "In the HubSpot app, open Webhooks, and enter the target URL {url}.",
            "Subscribe to the creation of feedback submissions, if the account offers it.",
            "Copy the client secret of the app to the setting secrets.",
        ),
        "posthog": (
            "In PostHog, add a destination of the type HTTP Webhook with the URL {url}, for the event 'survey sent'.",
            "Let its body be a JSON object with event and person, as PostHog proposes.",
        ),
        "qualtrics": (
            "With the Qualtrics API, make an event subscription with the publicationUrl {url}.",
            "Its topic is surveyengine.completedResponse.SURVEY, and its sharedKey is the setting secrets.",
            "Easier is a task Web Service in a workflow, with a source of the tool template.",
        ),
        "surveymonkey": (
            "With the SurveyMonkey API, make a webhook with the subscription_url {url}.",
            "Its event_type is response_completed, and one with response_updated adds partial answers.",
            "Write the client id of the app, '&' and its secret, as one text, to the setting secrets.",
        ),
        "survicate": (
            "In Survicate, open the survey's integrations, and add a webhook with the URL {url}.",
            "Select the event of each answered question.",
        ),
        "template": ("In the tool, let it post to {url} for each answer.",),
        "typeform": (
            "In Typeform, open the form, Connect > Webhooks, and add a webhook with the URL {url}.",
            "Edit it, and enter the first of the setting secrets as its secret.",
            "Switch the webhook on.",
        ),
        "wootric": (
            "In Wootric, open Settings > Integrations > Webhooks, and enter the URL {url}.",
            "Select created and updated responses, and copy the token to the setting secrets.",
        ),
    }
)


def url_of(source: SourceSettings) -> str:
    """Return the address to which the tool posts. HOST and SECRET stand for what only the user knows."""
    secret = "/SECRET" if source.signing.scheme is Scheme.SECRET_PATH else ""
    return f"https://HOST{source.path}{secret}"


def steps(source: SourceSettings) -> list[str]:
    """Return what somebody enters in the tool of a source, as sentences."""
    lines = [step.format(url=url_of(source)) for step in _STEPS[source.tool]]
    scheme, header = source.signing
    if scheme is Scheme.SECRET_PATH:
        return [*lines, "SECRET is the first of the setting secrets. The address is a secret itself."]
    if scheme is Scheme.SECRET_HEADER:
        return [*lines, f"Let the tool send the header {header.title()} with the first of the setting secrets."]
    if source.signature is not None:
        return [*lines, f"Let the tool sign with {scheme} and the first of the setting secrets."]
    return lines
