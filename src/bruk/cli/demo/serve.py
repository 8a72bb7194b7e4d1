"""Serve the model to another tenant, behind the gateway."""

from bruk.cli.demo import chat
from bruk.cli.demo.act import Story, await_every_token, log_tail, must, until
from bruk.cli.demo.cast import MAKER, MODEL
from bruk.cli.demo.scene import DemoFailed, processes_of_runs
from bruk.model.run import Run
from bruk.wire.requests import EndpointBody


def serve(story: Story) -> None:
    """One replica behind the gateway; another tenant calls it with the official client."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Serve: Nordlys calls Lutèce's model with the official openai client")
    operator.endpoints.add(
        EndpointBody(project=MAKER, name=MODEL, model=MODEL, tenants=["*"], context_tokens=256)
    )

    def ready() -> Run | None:
        view = operator.endpoints.get(MODEL)
        if view.workload.failures:
            tail = log_tail(story.maker, view.workload.id)
            raise DemoFailed(f"the replica failed: {view.workload.outcome_detail}\n{tail}")
        return next((run for run in view.runs if run.ready), None)

    replica: Run = until("a ready replica", 90, ready)
    screen.say(f"replica ready at {replica.site}; clients reach it only through {story.scene.gateway_url}/v1")
    until("the gateway's route", 15, lambda: _route_there(story))
    served = chat.talk(story.scene.gateway_url, story.cast.caller, MODEL)
    screen.say(f"models: {', '.join(served.models)}")
    screen.say(f"completed: {served.first_answer!r}")
    screen.say(f"streamed:  {served.streamed!r}")
    must(served.requests > 0 and served.tokens_out > 0, "nothing was served")
    screen.say(
        f"{served.requests} requests, {served.tokens_in} tokens in, {served.tokens_out} out, all billed"
    )
    story.summary["serve"] = {
        "requests": served.requests,
        "tokens_in": served.tokens_in,
        "tokens_out": served.tokens_out,
    }
    await_every_token(story)


def _route_there(story: Story) -> bool:
    import openai

    client = openai.OpenAI(base_url=f"{story.scene.gateway_url}/v1", api_key=story.cast.caller, max_retries=0)
    try:
        return any(model.id == MODEL for model in client.models.list())
    except openai.APIError:
        return False


def leave(story: Story) -> None:
    """Stop the endpoint, so that nothing is left behind."""
    operator = story.scene.operator
    operator.endpoints.remove(MODEL)

    def gone() -> bool:
        return not processes_of_runs(story.scene.home)

    until("the end of the replica", 30, gone)
