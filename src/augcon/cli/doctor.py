"""augcon doctor: is everything there that a run needs?"""

from __future__ import annotations

import typer

from augcon.cli import app
from augcon.cli.options import BaseUrls, Config, Json, ModelName


@app.command()
def doctor(
    model: ModelName = None, base_url: BaseUrls = None, config: Config = None, json: Json = False
) -> None:
    """Check the machine, the model and its server; the exit code is 0 if a run can start."""
    import augcon

    checks = augcon.doctor(model=model, base_url=base_url, config=config)
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps([asdict(check) for check in checks], ensure_ascii=False, indent=2))
    else:
        for check in checks:
            mark = "ok" if check.ok else ("BAD" if check.needed else "note")
            typer.echo(f"{mark:<5} {check.what:<12} {check.detail}")
    if any(check.needed and not check.ok for check in checks):
        raise typer.Exit(1)
