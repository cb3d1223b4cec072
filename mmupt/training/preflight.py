"""Mistakes that would stop a run are found before its folder is made: names, a missing model, data that cannot be used.

Nothing is written and no ML library is imported. Golds, where they are looked for at all, are only counted.
"""

from importlib.util import find_spec
from pathlib import Path

from mmupt import problems, registry, sampling
from mmupt.config.train import TrainConfig
from mmupt.errors import UserError
from mmupt.rewards import needs_gold
from mmupt.sampling.models import find_model
from mmupt.sampling.server import Address, is_here
from mmupt.suggest import way_out
from mmupt.training.order import steps_per_epoch


def refuse_mistakes(config: TrainConfig) -> None:
    """A UserError for the first setting that cannot work here."""
    uses_golds = needs_gold(config.estimator)
    _known("rollout.engine", config.rollout.engine, sampling.engines())
    _server_sees_weights(config)
    if config.tracker is not None:
        _known("tracker", config.tracker, registry.names("mmupt.training.trackers", "open_run"))
    if config.deepspeed != "none" and find_spec("deepspeed") is None:
        fix = "pip install 'mmupt[deepspeed]', or set deepspeed to none"
        raise UserError("the package deepspeed is not installed", where="deepspeed", fix=fix)
    find_model(config.model)
    found = problems.load(config.data, answers=uses_golds or config.audit).problems[: config.limit]
    steps_per_epoch(len(found), config.problems_per_step)
    golds = sum(problem.answer is not None for problem in found)
    if uses_golds and golds < len(found):
        what = f"{len(found) - golds} of {len(found)} problems have no gold answer, which {config.estimator} needs"
        raise UserError(what, where=config.data, fix="give data with answers, or set estimator to majority")
    if config.audit and not golds:
        raise UserError("there is no gold answer to audit with", where=config.data, fix="leave --audit out")


def _known(setting: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise UserError(f"there is no {name!r}", where=setting, fix=way_out(name, names))


def _server_sees_weights(config: TrainConfig) -> None:
    url, folder = config.rollout.base_url, config.rollout.weights_folder
    if url is None:
        return
    Address(url)
    if folder is None and not is_here(url):
        fix = "set rollout.weights_folder to a folder that both machines see under this name"
        raise UserError("the weights cannot be handed to a server on another machine", where=url, fix=fix)
    if folder is not None and not Path(folder).is_dir():
        raise UserError("there is no such folder", where=folder, fix="make it, or correct rollout.weights_folder")
