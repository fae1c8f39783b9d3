"""``routenator check-endpoints``: is every role's endpoint there, and what can it do?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, out, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from routenator.engine.config import EndpointsFile, Role
    from routenator.engine.llm.checking import RoleCheck


def check_endpoints(
    endpoints: Annotated[Path | None, typer.Option(help="The endpoints file.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe, whose endpoints file is checked.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON in place of the table.")] = False,
) -> None:
    """Ask every role's endpoint whether it is there and what it can do.

    For each role: reachable replicas, the model, how structured output works, whether it sees, latency, tokens/s, and
    what is wrong with the way to mend it. Exit code 1 if a role that the file names cannot be played.

    Example: routenator check-endpoints --endpoints recipes/endpoints-vllm.yaml
    """
    import asyncio

    from routenator.engine.config import load_endpoints, load_recipe

    if (endpoints is None) == (recipe is None):
        raise typer.BadParameter(
            "name an endpoints file or a recipe, one of the two", param_hint="--endpoints, --recipe"
        )
    if endpoints is None:
        assert recipe is not None
        endpoints = recipe.parent / load_recipe(recipe).endpoints
    checks = asyncio.run(_check(load_endpoints(endpoints)))
    broken = [check for check in checks.values() if check.endpoint is not None and not check.works]
    if as_json:
        print_json({"ok": not broken, "roles": {role: as_record(check) for role, check in checks.items()}})
    else:
        out.print(as_table(checks))
        for check in checks.values():
            for problem in check.problems:
                say(f"{check.role}: {problem.what}. {problem.fix}.", style="red" if problem.fatal else "yellow")
    if broken:
        raise typer.Exit(EXIT_INCOMPLETE)


async def _check(endpoints: EndpointsFile) -> dict[Role, RoleCheck]:
    """Check with the embedded endpoints started, for as long as it takes."""
    import asyncio
    from contextlib import ExitStack

    from routenator.engine.llm.checking import check_roles
    from routenator.engine.llm.embedded import acquire_embedded
    from routenator.engine.llm.pool import LlmPool

    with ExitStack() as leases:
        base_urls = {}
        for name in {name for name in endpoints.roles.values() if name is not None}:
            endpoint = endpoints.endpoints[name]
            if endpoint.kind == "embedded":
                lease = await asyncio.to_thread(acquire_embedded, endpoint.model, endpoint.max_in_flight)
                base_urls[name] = (leases.enter_context(lease).base_url,)
        pool = LlmPool(endpoints, base_urls)
        try:
            return await check_roles(pool)
        finally:
            await pool.aclose()


def as_record(check: RoleCheck) -> dict[str, Any]:
    """The check as JSON, with ``extra`` among the other columns."""
    from dataclasses import asdict

    record = asdict(check)
    return {**record, **record.pop("extra"), "works": check.works}


def as_table(checks: dict[Role, RoleCheck]) -> Table:
    """One row a role; the columns of ``extra`` come last."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from routenator.engine.display import show_line

    extra = list(dict.fromkeys(name for check in checks.values() for name in check.extra))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("role", "endpoint", "model", "replicas", "JSON", "vision", "latency", "tokens/s", *extra, ""):
        table.add_column(name, overflow="fold", no_wrap=name not in ("endpoint", "model"))
    for check in checks.values():
        cells = [
            check.role,
            check.endpoint or "none",
            check.model or "",
            f"{check.reachable[0]}/{check.reachable[1]}" if check.endpoint else "",
            check.structured_output or "",
            {True: "yes", False: "no", None: ""}[check.vision],
            "" if check.latency_ms is None else f"{check.latency_ms:.0f} ms",
            "" if check.tokens_per_s is None else f"{check.tokens_per_s:.0f}",
            *(str(check.extra.get(name, "")) for name in extra),
            _state(check),
        ]
        table.add_row(*(Text(show_line(cell)) for cell in cells))
    return table


def _state(check: RoleCheck) -> str:
    if check.endpoint is None:
        return ""
    if not check.works:
        return "BROKEN"
    return "impaired" if check.problems else "ok"
