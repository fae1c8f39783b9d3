"""What a run keeps beside its samples so that datasets and reports can be made from its directory alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routenator.engine.domain.pack import DomainPack
from routenator.engine.errors import RunError
from routenator.engine.routing.fitting import FittedTable
from routenator.engine.routing.plan import Plan


@dataclass(frozen=True, slots=True)
class RunMeta:
    """The plan as it was resolved, and the pack that it was made from.

    Attributes:
        pack_name: Name of the domain pack.
        pack_root: Absolute path of its folder when the run was started.
        pack_digest: SHA-256 of its files then.
        tools: The pack's functions, as an OpenAI ``tools`` list.
        plan: Tables, rows and seed, after routes that no endpoint serves were left out.
        notices: What was said aloud when the run was started, such as a share that moved to other routes.
        calibrations: How rules, consistency and judge did on known pairs, one mapping for each
            `routenator.engine.validation.calibration.Calibration`.
        created_at: When the run was started, ISO 8601.
        version: Version of routenator that started it.
        min_delivered: Share of the rows that is enough.
    """

    pack_name: str
    pack_root: str
    pack_digest: str
    tools: tuple[Mapping[str, Any], ...]
    plan: Plan
    notices: tuple[str, ...] = ()
    calibrations: tuple[Mapping[str, Any], ...] = ()
    created_at: str = ""
    version: str = ""
    min_delivered: float = 1.0

    @classmethod
    def from_pack(cls, pack: DomainPack, plan: Plan, notices: tuple[str, ...] = ()) -> Self:
        """What to keep of a run of ``pack`` that is about to start."""
        tools = tuple(function.tool for function in pack.functions)
        return cls(pack.spec.name, str(pack.root), pack.digest, tools, plan, notices)

    def to_meta(self) -> dict[str, Any]:
        """Entries of the ledger's ``meta``. It adds the recipe, and when and by which version the run was started."""
        return {
            "pack": {"name": self.pack_name, "root": self.pack_root, "digest": self.pack_digest},
            "tools": list(self.tools),
            "plan": {
                "rows": self.plan.rows,
                "seed": self.plan.seed,
                "tables": [
                    {"axes": table.axes, "cells": table.cells, "shares": table.shares.tolist()}
                    for table in self.plan.tables
                ],
            },
            "notices": list(self.notices),
            "calibrations": list(self.calibrations),
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Self:
        """Read what `to_meta` gave.

        Raises:
            RunError: An entry is missing: the run was not started by `generate`.
        """
        try:
            pack, plan = meta["pack"], meta["plan"]
            tables = [
                FittedTable(tuple(table["axes"]), tuple(map(tuple, table["cells"])), np.array(table["shares"]))
                for table in plan["tables"]
            ]
            return cls(
                pack_name=pack["name"],
                pack_root=pack["root"],
                pack_digest=pack["digest"],
                tools=tuple(meta["tools"]),
                plan=Plan(tables, plan["rows"], plan["seed"]),
                notices=tuple(meta["notices"]),
                calibrations=tuple(meta["calibrations"]),
                created_at=meta.get("created_at", ""),
                version=meta.get("package_version", ""),
                min_delivered=meta.get("identity", {}).get("recipe", {}).get("min_delivered", 1.0),
            )
        except KeyError as exc:
            raise RunError(f"the run does not say its {exc.args[0]}", hint="Start it with `generate`") from None
