"""The command line: `python -m include classify train | score | card | promote | rollback`."""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from include.common.errors import DeclarationError
from include.tables.declarations import Declarations

Answer = tuple[dict[str, Any], str]
"""What a command did: as JSON, and in words."""


def add(commands: Any, declared: Declarations) -> None:
    """Add the command to the parser's."""
    classify = commands.add_parser("classify", help="what is learned of the warehouse's rows: train, score, promote")
    actions = classify.add_subparsers(required=True, metavar="what")
    _add(actions, declared, _train, "learn from what is known, and promote the simplest model that nothing beats")
    _add(actions, declared, _score, "bring the table of scores up to date")
    card = _add(actions, declared, _card, "show a model's card, or that of the last contest")
    card.add_argument("--version", default="", help="of the model; default: what came of the last contest")
    promote = _add(actions, declared, _promote, "make a model that was kept the champion")
    promote.add_argument("version", help="of the model")
    _add(actions, declared, _rollback, "make the champion of before champion again")


def _add(
    actions: Any, declared: Declarations, work: Callable[[Declarations, argparse.Namespace], Answer], told: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = actions.add_parser(work.__name__.lstrip("_"), help=told)
    names = list(declared.questions)
    command.add_argument("--question", choices=names, default=next(iter(names), ""), help="default: %(default)s")
    command.add_argument("--json", action="store_true", help="print the result as JSON")

    def run(declared: Declarations, options: argparse.Namespace) -> int:
        if not names:
            raise DeclarationError("no question is declared: docs/classifying.md tells how")
        with redirect_stdout(sys.stderr):  # where Airflow then writes its log: standard output is for the result
            document, words = work(declared, options)
        print(json.dumps(document, indent=2) if options.json else words)
        return 0

    command.set_defaults(command=run)
    return command


def _train(declared: Declarations, options: argparse.Namespace) -> Answer:
    from include.classify.registry import read_card
    from include.classify.steps import seen_until, train_question

    name = options.question
    training = train_question(declared, name, seen_until(declared, name))
    return training.model_dump(mode="json"), read_card(name).as_markdown()


def _score(declared: Declarations, options: argparse.Namespace) -> Answer:
    from dataclasses import asdict

    from include.classify.steps import score_question, seen_until

    name = options.question
    if not declared.questions[name].scores:
        raise DeclarationError(f"{name} is asked, and has no scores")
    scored = score_question(declared, name, seen_until(declared, name), always=True)
    words = f"{scored.rows:,} rows scored by {scored.version}: {scored.added:,} said anew, {scored.ended:,} ended"
    return asdict(scored), scored.skipped or words


def _card(_: Declarations, options: argparse.Namespace) -> Answer:
    from include.classify.registry import read_card

    card = read_card(options.question, options.version)
    return card.model_dump(mode="json"), card.as_markdown()


def _promote(declared: Declarations, options: argparse.Namespace) -> Answer:
    from include.classify.registry import promote

    return _changed(declared, options.question, promote(options.question, options.version))


def _rollback(declared: Declarations, options: argparse.Namespace) -> Answer:
    from include.classify.registry import roll_back

    return _changed(declared, options.question, roll_back(options.question))


def _changed(declared: Declarations, name: str, standing: Any) -> Answer:
    from include.classify.told import tell_models

    if declared.questions[name].scores:
        tell_models(declared.questions[name])
    return standing.promotions[-1].model_dump(
        mode="json"
    ), f"{standing.champion} is champion; the next run scores with it"
