"""Answers of the inbox, one after the other."""

from collections import deque

from worker.embedded.inbox import Answer, Mail, Step


class Script:
    """A behaviour that gives `answers` at `step`, one per time it is reached, and goes on from then on."""

    def __init__(self, step: Step, *answers: Answer) -> None:
        self._step = step
        self._answers = deque(answers)

    async def __call__(self, step: Step, mail: Mail) -> Answer:  # noqa: ARG002 - the shape of a behaviour
        """Give the next answer, if this is the step."""
        return self._answers.popleft() if step is self._step and self._answers else None
