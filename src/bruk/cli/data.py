"""Data in and out: files and folders as content-addressed artifacts."""

from pathlib import Path
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_size, show_time
from bruk.cli.settings import ProjectOption, client

PANEL = "Work"
data_app = typer.Typer(no_args_is_help=True, help="Files and folders that jobs read and write.")
ArtifactArgument = Annotated[str, typer.Argument(help="Identifier or name of the artifact.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(data_app, name="data", rich_help_panel=PANEL)


@data_app.command("put")
def put(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="File or folder to upload.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the artifact; the file's if left out.")
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Upload a file, or a folder as one tree. The same bytes give the same digest on every machine."""
    with client(ctx) as control:
        artifact = control.artifacts.put(path, project, name or path.resolve().name)
    if json:
        output.show_json(artifact)
        return
    output.say(f"{artifact.id}  {artifact.name}: {artifact.kind.value}, {show_size(artifact.size_bytes)}")
    output.say(f"SHA-256 {artifact.digest}")


@data_app.command("ls")
def ls(ctx: typer.Context, project: ProjectOption = None, json: JsonOption = False) -> None:
    """List artifacts."""
    with client(ctx) as control:
        artifacts = list(control.artifacts.list(project))
    if json:
        output.show_json(artifacts)
        return
    output.table(
        ["Artifact", "~Project", "~Name", "Kind", ">Size", "Created", "~Copies"],
        (
            [
                item.id,
                item.project,
                item.name,
                item.kind.value,
                show_size(item.size_bytes),
                show_time(item.created_at_ms),
                item.locations,
            ]
            for item in artifacts
        ),
        none="No artifacts yet. 'bruk data put PATH' uploads one.",
    )


@data_app.command("get")
def get(
    ctx: typer.Context,
    artifact: ArtifactArgument,
    path: Annotated[
        Path | None, typer.Argument(help="Where to put it; the artifact's name here if left out.")
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Download an artifact and check its digest. Nothing that exists is overwritten."""
    from bruk.wire.tree import safe_name

    with client(ctx) as control:
        found = control.artifacts.find(artifact, project)
        target = path or Path(safe_name(found.name.replace("/", "_")))
        control.artifacts.fetch(found, target)
    output.answer(
        {"artifact": found, "path": str(target)},
        f"{target}: {found.kind.value}, {show_size(found.size_bytes)}, digest checked.",
        json,
    )


@data_app.command("rm")
def rm(
    ctx: typer.Context,
    artifact: ArtifactArgument,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Delete an artifact."""
    with client(ctx) as control:
        found = control.artifacts.find(artifact, project)
        control.artifacts.remove(found.id)
    output.answer({"removed": found.id}, f"{found.id} ({found.name}) is deleted.", json)
