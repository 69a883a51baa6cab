"""`archc search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import command_line, print_diagnostics, print_json, print_table, warn
from archc.cli.extras import needs_torch
from archc.cli.files import OutputPath, write_file
from archc.cli.one_shot import search_one_shot
from archc.cli.options import format_option, parse_parameter
from archc.cli.sample_command import request_options, space_argument
from archc.cli.search_progress import Live
from archc.cli.training import data_problems
from archc.diagnostics import ArchError

if TYPE_CHECKING:
    from archc.jobs.executor import Executor
    from archc.search.plan import Plan, Prepared
    from archc.search.trial import Trial

EPILOG = """\b
Examples:
  archc search nasnet_small --strategy evolution --data digits --trials 30 -o out/small
  archc search nb201 --table nb201_table.parquet --metric c10_val12 --report-metric c10_test200 --trials 100
  archc search mobile --evaluate figures --objective '-macs' --objective params --strategy nsga2
  archc search myspace.arch --require 'macs <= 50M' --objective accuracy --objective '-params' --strategy tpe
  archc search darts --strategy darts --data cifar10:DIR --seconds 3600 --recipe cifar10_strong -o out/darts
  archc search myspace.arch --latency here.json --objective 'accuracy*(latency/0.01)**-0.07'

\b
Objectives are expressions, made as large as can be: params, macs, flops, activations, latency with a
latency table, and what the evaluator gives: accuracy when it trains, all columns of a table.
-o writes the ledger, best_1.arch … and their points, trials.csv, report.html, and front.csv and .png for
several objectives. The same command goes on where a search was stopped, killed or out of budget."""


@click.command(epilog=EPILOG)
@space_argument
@click.option(
    "--strategy",
    default="evolution",
    show_default=True,
    metavar="NAME",
    help="random, grid, local, evolution, reinforce, ppo, nsga2 or tpe; darts, enas or single-path by a supernet.",
)
@click.option(
    "--option",
    "options",
    type=parse_parameter,
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the strategy, such as population=50; repeatable.",
)
@click.option(
    "--trials", type=click.IntRange(min=1), default=30, show_default=True, help="Networks to evaluate."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop asking after so much time.")
@click.option("--copies-count", is_flag=True, help="Count a network that equals an earlier one as a trial.")
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="EXPRESSION",
    help="To be made large; repeatable.  [default: accuracy, or the evaluator's first metric]",
)
@click.option(
    "--evaluate",
    metavar="HOW",
    default="train",
    show_default=True,
    help="train, figures, zero-cost:NAME, or package.module:callable.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Column of the table to search by; metrics a callable gives.",
)
@click.option(
    "--table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Look results up in a .parquet, .csv or .csv.gz file.",
)
@click.option("--report-metric", default="", metavar="COLUMN", help="Of the table, shown for what is found.")
@click.option(
    "--key", default="", metavar="COLUMN", help="Of the table, and the parameter that names its rows."
)
@click.option(
    "--same", default="", metavar="COLUMN", help="Of the table, equal for networks that are the same."
)
@click.option("--data", metavar="DATA", help="digits, synthetic, a folder, a parquet file, NAME:PATH.")
@click.option(
    "--recipe", default="search", show_default=True, metavar="RECIPE", help="To train each network by."
)
@click.option(
    "--epochs", type=click.FloatRange(min=0, min_open=True), help="Of training, instead of the recipe's."
)
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change a recipe's key; repeatable.")
@click.option("--device", default="", metavar="NAME", help="cpu, cuda, …  [default: what there is]")
@click.option(
    "--halving",
    type=click.Choice(["none", "halving", "hyperband"]),
    default="none",
    show_default=True,
    help="Train many networks briefly and the best ones longer.",
)
@click.option(
    "--shortest",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Epochs of the first rung.",
)
@click.option(
    "--eta", type=click.IntRange(min=2), default=3, show_default=True, help="One in so many goes on."
)
@click.option(
    "--latency",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A table of `archc latency-table`: predicts `latency`, in seconds.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Networks evaluated at once. A run can be repeated with the same number.",
)
@click.option(
    "--gpus-per-trial",
    type=click.FloatRange(min=0),
    default=0,
    metavar="N",
    help="Of this machine's or the cluster's; above 1 a trial runs under torchrun.",
)
@click.option(
    "--cluster", metavar="ADDRESS", help="Evaluate on a Ray cluster: its address, `auto`, or `local`."
)
@click.option(
    "--retries", type=click.IntRange(min=0), default=2, show_default=True, help="Of a failed evaluation."
)
@click.option(
    "--ledger", default="", metavar="URL", help="postgresql://… or a file.  [default: DIR/ledger.sqlite]"
)
@click.option(
    "--study", default="search", show_default=True, metavar="NAME", help="The search's name in the ledger."
)
@click.option(
    "--best", "number", type=click.IntRange(min=1), default=3, show_default=True, help="Specs to write."
)
@request_options
@click.option("-o", "directory", type=OutputPath("directory"), help="Write what is found.")
@format_option
def command(**given: Any) -> None:
    """Search a design space for good networks."""
    from archc.search.strategies import ONE_SHOT, check_name
    from archc.search.strategy import SearchError

    try:
        check_name(given["strategy"])
        with needs_torch("training networks"):
            if given["strategy"] in ONE_SHOT:
                search_one_shot(click.get_current_context(), given, changes_of(given))
                return
            with data_problems():
                _search(given)
    except SearchError as error:
        raise click.ClickException(str(error)) from None


def _search(given: dict[str, Any]) -> None:
    from archc.jobs.ledger import Ledger, LedgerError
    from archc.search.engine import Search
    from archc.search.outcome import summary
    from archc.search.plan import prepared

    plan = _plan(given)
    found = prepared(plan)
    directory: Path | None = given["directory"]
    url = given["ledger"] or (str(directory / "ledger.sqlite") if directory else ":memory:")
    command = command_line()
    try:
        with Ledger(url, given["study"]) as ledger:
            ledger.lock()
            ledger.begin(found.identity)
            with (
                _executor(given) as executor,
                Live(found, plan.budget.trials, given["format_"] == "text") as live,
            ):
                search = Search(
                    found.request, found.networks, found.strategy, found.evaluator, ledger, executor,
                    found.objectives, plan.budget, found.conditions, window=plan.window, retries=given["retries"],
                    directory=_place(directory, found), workers_note=_workers_note(url, given), watch=live.show,
                )  # fmt: skip
                trials = search.run()
    except LedgerError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        if url != ":memory:":
            warn("stopped; what was finished is kept, and the same command goes on from there")
        raise
    told = summary(found, trials, given["number"])
    if directory is not None:
        _write(directory, found, trials, told, command, given["number"])
    if given["format_"] == "json":
        print_json(told)
    else:
        _print(found, told, directory)
    if not told["best"]:
        warn("no trial came to a result" + _first_failure(trials))
        click.get_current_context().exit(1)


def _write(
    directory: Path, found: Prepared, trials: list[Trial], told: dict[str, Any], command: str, number: int
) -> None:
    """All results but the ledger."""
    from archc.search.outcome import files
    from archc.search.plots import front_figure
    from archc.search.report import report

    for name, content in files(found, trials, command, number):
        write_file(directory / name, content)
    write_file(directory / "report.html", report(found, trials, told, command, number))
    if len(found.objectives) > 1 and told["best"]:
        try:
            write_file(directory / "front.png", front_figure(trials, found.objectives))
        except ArchError as error:  # no matplotlib: everything else is written
            print_diagnostics(error.diagnostics)


def _plan(given: dict[str, Any]) -> Plan:
    from archc.search.engine import Budget
    from archc.search.plan import Plan, TablePlan, TrainPlan
    from archc.spaces.space import Request

    request = Request(given["space"], given["seed"], given["requires"], given["params"], given["input_"])
    evaluate: TablePlan | TrainPlan | str = given["evaluate"]
    if given["table"] is not None:
        if len(given["metrics"]) != 1:
            raise click.UsageError("--table needs --metric COLUMN: what to search by")
        evaluate = TablePlan(
            given["table"], given["metrics"][0], given["report_metric"], given["key"], given["same"]
        )
    train = TrainPlan()
    if isinstance(evaluate, str) and evaluate.startswith(("train", "zero-cost")):
        train = TrainPlan(
            given["recipe"], changes_of(given), given["device"], max(1, round(given["gpus_per_trial"]))
        )
    if evaluate == "train":
        evaluate = train
    return Plan(
        request, given["strategy"], dict(given["options"]), evaluate, train, given["metrics"], given["objectives"],
        given["latency"], Budget(given["trials"], given["seconds"], given["copies_count"]), given["workers"],
        given["halving"], given["shortest"], given["eta"],
    )  # fmt: skip


def changes_of(given: dict[str, Any]) -> tuple[str, ...]:
    """The recipe changes that --data, --epochs and --set ask for."""
    from archc.train.prepare import data_changes

    changes = data_changes(given["data"]) if given["data"] else []
    if given["epochs"]:
        changes.append(f"epochs={given['epochs']:g}")
    return (*changes, *given["changes"])


def _executor(given: dict[str, Any]) -> Executor:
    from archc.jobs.executor import InProcess

    workers, gpus = given["workers"], given["gpus_per_trial"]
    if given["cluster"]:
        from archc.jobs.cluster import ClusterError, RayCluster

        try:
            return RayCluster(workers, given["cluster"], gpus=gpus, retries=given["retries"])
        except ClusterError as error:
            raise click.ClickException(str(error)) from None
    if workers == 1:
        return InProcess()
    from archc.jobs.devices import environments
    from archc.jobs.processes import LocalProcesses

    trains = given["table"] is None and given["evaluate"] != "figures"
    return LocalProcesses(
        workers, environments(workers, given["device"] if trains else "cpu", max(1, round(gpus)))
    )


def _workers_note(url: str, given: dict[str, Any]) -> bool:
    """Whether workers reach the ledger: a file from this machine's processes, a server from anywhere."""
    from archc.jobs.ledger import is_postgres

    return url != ":memory:" and (is_postgres(url) or not given["cluster"])


def _place(directory: Path | None, found: Prepared) -> Path | None:
    """Where trials keep files: below DIR; else a folder that goes with this process."""
    if directory is not None:
        return directory.absolute() / "trials"
    if found.identity["evaluator"]["kind"] != "training":
        return None
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="archc-search-")
    click.get_current_context().call_on_close(folder.cleanup)
    return Path(folder.name)


def _first_failure(trials: list[Any]) -> str:
    reason = next((t.reason for t in trials if t.reason), "")
    return f": {reason}" if reason else ""


def _print(found: Prepared, told: dict[str, Any], directory: Path | None) -> None:
    names = [o.metric for o in found.objectives] + ([found.report] if found.report else [])
    figures = [n for n in ("params", "macs", "latency") if all(n in b["figures"] for b in told["best"])]
    figures = [n for n in figures if n not in names]
    print_table(
        ("trial", *names, *figures, "from"),
        [
            (
                str(b["trial"]),
                *(_shown(b[n]) for n in names),
                *(_shown(b["figures"][n]) for n in figures),
                b["why"],
            )
            for b in told["best"][:20]
        ],
        left=0,
    )
    click.echo(
        f"{told['asked']:,} asked: {told['evaluated']:,} evaluated, {told['copied']:,} copies of these, "
        f"{told['rejected']:,} against constraints, {told['failed']:,} failed; {told['seconds']:,.1f} s of work"
    )
    for text, times in told["not proposed"].items():
        click.echo(f"{times:,} drawn did not meet `{text}`")
    if directory is not None:
        click.echo(f"wrote {directory}: best_1.arch … trials.csv, report.html")


def _shown(value: float) -> str:
    from archc.analyses.figures import short

    return short(round(value)) if abs(value) >= 10_000 else f"{value:.6g}"
