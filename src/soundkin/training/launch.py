"""How ranks come about: started here or by torchrun or srun, joined with each other, watched over.

Ranks of one machine are started by the agent that torchrun is made of.

The agent looks every tenth of a second; once a rank has died it ends the others, within `STOP_SECONDS`.
"""

import logging
import os
import pickle
import signal
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, Self

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from soundkin import progress
from soundkin.errors import ConfigError, SoundkinError
from soundkin.parallel import refuse_script_without_guard
from soundkin.training.ranks import Rank
from soundkin.training.run_config import TrainerConfig

STOP_SECONDS = 5  # that ranks have to end by themselves when another one has died
LAUNCHER_SECONDS = 5.0  # within which whoever started the ranks ends them, once one has died
SIGNS_OF_LOSS = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe")
QUIET = {  # of ranks: DDP's advice to those who write loops, and what Python says after a kill
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
}

logger = logging.getLogger("soundkin")


def cluster() -> ClusterEnvironment | None:
    """What started this process as one of several: torchrun (or we, as torchrun does) or srun; else None."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    several_tasks = int(os.environ.get("SLURM_NTASKS", 1)) > 1
    return SLURMEnvironment(auto_requeue=False) if several_tasks and SLURMEnvironment.detect() else None


@contextmanager
def joined(settings: TrainerConfig) -> Iterator[Rank]:
    """Join the other ranks, if this process was started as one of several.

    Raises:
        ConfigError: as many ranks were started as the config does not ask for.
        SoundkinError: another rank died, or did not answer for `trainer.timeout_seconds`.
    """
    environment = cluster()
    wanted = settings.devices * settings.num_nodes
    if environment is not None and environment.world_size() != wanted:
        raise ConfigError(
            f"config trainer.devices={settings.devices}, trainer.num_nodes={settings.num_nodes}: "
            f"{environment.world_size()} processes were started, and these need {wanted}. Set devices to the "
            "processes of a node, and num_nodes to the nodes."
        )
    if environment is None or wanted == 1:
        yield Rank()
        return
    rank = Rank(environment.global_rank(), wanted)
    if rank.number:
        logger.setLevel(logging.ERROR)  # the first one speaks for all
    try:
        _join(environment, rank, settings)
        yield rank
    except (RuntimeError, ValueError) as error:
        if not is_loss_of_a_rank(error):
            raise
        time.sleep(LAUNCHER_SECONDS)  # what started the ranks knows which one died, and ends this one now
        raise SoundkinError(
            f"rank {rank.number} of {rank.count} lost another one, which died or was silent for "
            f"{settings.timeout_seconds:g} s (trainer.timeout_seconds). Run the same command again to go on."
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _join(environment: ClusterEnvironment, rank: Rank, settings: TrainerConfig) -> None:
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    on_gpu = settings.accelerator in ("gpu", "cuda")
    if on_gpu:
        torch.cuda.set_device(environment.local_rank())
    elif not settings.threads:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // settings.devices))
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    timeout = timedelta(seconds=settings.timeout_seconds)
    dist.init_process_group(backend, rank=rank.number, world_size=rank.count, timeout=timeout)


def is_loss_of_a_rank(error: Exception) -> bool:
    """Whether `error` is what torch raises when another rank is gone or silent."""
    return isinstance(error, dist.DistError) or any(sign in str(error) for sign in SIGNS_OF_LOSS)


def in_ranks(count: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the first of `count` processes makes of `function(*arguments)`, which each of them calls.

    Raises:
        SoundkinError: what `function` raised; or a rank died, in which case the others are ended.
    """
    refuse_script_without_guard()
    for name in ("torch.distributed", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what is to be said of a failure is said below
    with tempfile.TemporaryDirectory() as folder:
        settings = LaunchConfig(
            1, 1, count, run_id=uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="localhost:0",
            local_addr="127.0.0.1", max_restarts=0, shutdown_timeout=STOP_SECONDS,
            logs_specs=DefaultLogsSpecs(folder),
        )  # fmt: skip
        failures = Path(folder) / "failures"
        failures.mkdir()
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        try:
            launch = elastic_launch(settings, _call_in_rank)
            return launch(_Logging.here(), failures, function, arguments)[0]
        except ChildFailedError as error:
            _explain(*error.get_first_failure(), failures)
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + error.sigval) from None


def _explain(rank: int, failure: ProcessFailure, failures: Path) -> NoReturn:
    """Raise what the failed rank raised, or say how it ended."""
    written = sorted(failures.iterdir())
    if failure.exitcode > 0 and written:
        raise pickle.loads(written[0].read_bytes())
    progress.end_line_of_bar()
    how = (
        f"was ended by {failure.signal_name()}" if failure.exitcode < 0 else f"ended with {failure.exitcode}"
    )
    raise SoundkinError(
        f"rank {rank} (process {failure.pid}) {how}, killed from outside or for want of memory, and the "
        "others were stopped. Run the same command again to go on."
    )


def _call_in_rank(
    log: "_Logging", failures: Path, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    log.set_up()
    try:
        return function(*arguments)
    except SoundkinError as error:
        (failures / str(error.exit_code)).write_bytes(pickle.dumps(error))
    except KeyboardInterrupt:
        pass
    except Exception as error:
        traceback.print_exc()
        (failures / "bug").write_bytes(pickle.dumps(SoundkinError(f"{type(error).__name__}: {error}")))
    raise SystemExit(1)


@dataclass(frozen=True)
class _Logging:
    """How this process logs, to be set up alike in another."""

    level: int
    formatter: logging.Formatter | None
    progress_as_log_lines: bool

    @classmethod
    def here(cls) -> Self:
        formatter = next((handler.formatter for handler in logging.getLogger().handlers), None)
        try:
            pickle.dumps(formatter)
        except Exception:  # some other program's
            formatter = None
        return cls(logger.getEffectiveLevel(), formatter, progress.shows_log_lines())

    def set_up(self) -> None:
        handler = logging.StreamHandler()
        handler.setFormatter(self.formatter)
        logging.getLogger().addHandler(handler)
        logger.setLevel(self.level)
        progress.show_progress_as_log_lines(self.progress_as_log_lines)
