"""What somebody enters in each survey tool, so that it delivers to the worker.

`receive sources` prints it for the sources of the settings, and docs/sources.md has it for each tool (tools/docs.py).
"""

from collections.abc import Mapping
from types import MappingProxyType

from worker.receive.settings import PATH, SIGNINGS, SourceSettings
from worker.receive.signatures import Scheme, Signing

_SCORE_AND_COMMENT = (
    "Write the ids of the questions that ask for the score and for the comment to the settings `score_question` and "
    "`comment_question`."
)
#: The steps in each tool. {url}: the address; the secret is never printed.
_STEPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cloudevents": ("Let the program send its events by POST to {url}, in binary or structured mode.",),
        "delighted": (
            "In Delighted, open Integrations, then Webhooks.",
            "Add a webhook with the URL {url}, for new and for updated responses.",
            "Copy the signing key that Delighted shows to the setting `secrets`.",
        ),
        "formbricks": (
            "In Formbricks, open the webhooks of the environment, and add one with the URL {url}.",
            "Select the triggers Response Created, Response Updated and Response Finished.",
            "Copy the signing secret, which begins with `whsec_`, to the setting `secrets`.",
            _SCORE_AND_COMMENT,
        ),
        "google-forms": (
            "In Google Cloud, make a Pub/Sub topic with a push subscription to {url}.",
            (
                "Let the Forms API watch the form for the event `RESPONSES` on this topic. A watch ends after seven "
                "days unless it is renewed."
            ),
            _SCORE_AND_COMMENT,
            (
                "Let a job write an access token to the file that `api_token_file` names, and renew it, as it ends "
                "after an hour. It needs the scopes 'forms.responses.readonly' and 'forms.body.readonly'."
            ),
        ),
        "hubspot": (
            "In the HubSpot app, open Webhooks, and enter the target URL {url}.",
            "Subscribe to the creation of feedback submissions, if the account offers it.",
            "Copy the client secret of the app to the setting `secrets`.",
            (
                "Give the app the scope 'crm.objects.feedback_submissions.read', and write its access token to the "
                "file that `api_token_file` names."
            ),
        ),
        "posthog": (
            "In PostHog, add a destination of the type HTTP Webhook with the URL {url}, for the event `survey sent`.",
            "Let its body be a JSON object with `event` and `person`, as PostHog proposes.",
            _SCORE_AND_COMMENT,
        ),
        "qualtrics": (
            (
                "With the Qualtrics API, make an event subscription with the `publicationUrl` {url}, for the topic "
                "`surveyengine.completedResponse.` and the id of the survey."
            ),
            "Its `sharedKey` is the first text in the setting `secrets`.",
            _SCORE_AND_COMMENT,
            (
                "Write the API token of a user who may read the survey's responses to the file that `api_token_file` "
                "names, and the address of your data centre to `api_url`."
            ),
        ),
        "surveymonkey": (
            (
                "With the SurveyMonkey API, make a webhook with the `subscription_url` {url} and the event "
                "`response_completed`, and another one with `response_updated` for partial answers."
            ),
            "Write the client id of the app, `&` and its secret, as one text, to the setting `secrets`.",
            _SCORE_AND_COMMENT,
            (
                "Give the app the scopes View Responses and View Response Details, and write its access token to the "
                "file that `api_token_file` names."
            ),
        ),
        "survicate": (
            "In Survicate, open the integrations of the survey, and add a webhook with the URL {url}.",
            "Select the event of each answered question.",
            _SCORE_AND_COMMENT,
        ),
        "template": ("In the tool, let it post to {url} for each answer.",),
        "typeform": (
            "In Typeform, open the form, then Connect, then Webhooks. Add a webhook with the URL {url}.",
            "Edit it, and enter the first text in the setting `secrets` as its secret.",
            "Switch the webhook on.",
        ),
        "wootric": (
            "In Wootric, open Settings, Integrations, Webhooks, and enter the URL {url}.",
            "Select created and updated responses.",
            "Copy the token to the setting `secrets`.",
        ),
    }
)
#: What is easier than the steps.
_EASIER: Mapping[str, str] = MappingProxyType(
    {
        "qualtrics": "An easier way is a task Web Service in a workflow: it posts a body of your choice to a source of "
        "the tool `template`. For an event subscription, these are the steps:"
    }
)


#: Stands for the address of the server, if the settings do not say it.
_ANY_HOST = "https://HOST"


def url_of(source: SourceSettings, public_url: str | None = None) -> str:
    """Return the address to which the tool posts. HOST and SECRET stand for what only the user knows.

    `public_url`: the address at which tools reach the worker, if it is known.
    """
    return address(source.name, source.signing, public_url or _ANY_HOST)


def address(name: str, signing: Signing, server: str = _ANY_HOST) -> str:
    """Return the address of a source with this name at a server, whose deliveries are signed like this."""
    return f"{server}{PATH}/{name}{'/SECRET' if signing.scheme is Scheme.SECRET_PATH else ''}"


def easier(tool: str) -> str:
    """Return what is easier than the steps in a tool; empty if nothing is."""
    return _EASIER.get(tool, "")


def steps(source: SourceSettings, public_url: str | None = None) -> list[str]:
    """Return what somebody enters in the tool of a source, as sentences. `public_url`: as in `url_of`."""
    return steps_in(source.tool, source.signing, url_of(source, public_url))


def steps_in(tool: str, signing: Signing, url: str) -> list[str]:
    """Return what somebody enters in a tool that posts to an address and signs like this, as sentences."""
    lines = [step.format(url=url) for step in _STEPS[tool]]
    if signing.scheme is Scheme.SECRET_PATH:
        about = (
            "`SECRET` is the first text in the setting `secrets`: choose at least 32 random characters. The URL is a "
            "secret itself."
        )
        return [*lines, about]
    if signing.scheme is Scheme.SECRET_HEADER:
        return [*lines, f"Let the tool send the header `{signing.header.title()}` with the first text in `secrets`."]
    if tool not in SIGNINGS:
        return [*lines, f"Let the tool sign with {signing.scheme} and the first text in the setting `secrets`."]
    return lines
