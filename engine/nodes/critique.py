"""The `critique` node."""

from __future__ import annotations

from dataclasses import asdict, replace

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.errors import AuthError, EndpointError
from routenator.engine.sample import Critique, Decision, Finding, derive_seed
from routenator.engine.state import SampleState, SampleUpdate
from routenator.engine.validation.decision import decide


async def critique(state: SampleState, runtime: Runtime[Deps]) -> SampleUpdate:
    """Judge the latest attempt and decide what follows.

    Reads ``attempts``, ``stratum``, ``grounding``, ``tries``, ``regrounds``, ``failure``; writes ``decision``,
    ``failure`` (when the judge's endpoint cannot answer) and the attempt's critique. Rules first, then consistency,
    then the judge if it earned its vote; every reason is kept. An attempt without a candidate is revised like one that
    the rules refuse.

    Source:
        RouteNator (arXiv:2505.10495), section 3.3, validation; blind re-labelling and the earned vote are ours.
    """
    deps, attempt = runtime.context, state["attempts"][-1]
    stratum, grounding = state["stratum"], state["grounding"]
    assert stratum is not None and grounding is not None
    with state["recorder"].span("critique", {"attempt": attempt.number}) as span:
        failure, completions = state["failure"], attempt.judge_completions
        if attempt.candidate is None:
            finding = Finding(attempt.error_class or "parse", attempt.error or "no answer", "parse")
            verdict = Critique("revise", (finding,))
        else:
            seed = derive_seed(attempt.seed, "critique")
            min_logprob = attempt.completion.min_logprob if attempt.completion else None
            try:
                verdict, completions = await deps.critic.critique(
                    attempt.candidate,
                    stratum,
                    grounding,
                    deps.examples.queries,
                    seed,
                    min_logprob,
                    state["key"].round,
                )
            except AuthError:
                raise
            except EndpointError as exc:
                failure, verdict = exc, Critique("reject", (Finding(exc.error_class, exc.what, "judge"),))
        decision: Decision
        if failure is not None:
            decision = "reject"
        elif verdict.decision == "accept":
            decision = "accept"
        else:
            decision = decide(state["tries"], state["regrounds"], deps.settings, verdict.findings)
        verdict = replace(verdict, decision=decision)
        span.output = {
            "decision": decision,
            "findings": [asdict(f) for f in verdict.findings],
            "scores": verdict.scores,
        }
    judged = replace(attempt, critique=verdict, judge_completions=completions)
    return {"attempts": (*state["attempts"][:-1], judged), "decision": decision, "failure": failure}
