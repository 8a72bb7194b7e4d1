"""The training loop: batches by step alone, two optimisers, checkpoints, a clean stop on SIGTERM.

What a step reads follows from the seed and the step's number only, so that a resumed training sees
the same data in the same order as one that was never stopped. Several processes under torchrun
take different windows of the same epoch and average gradients (DistributedDataParallel).

Look next at :mod:`bruk.recipes.checkpoint` and :mod:`bruk.recipes.decoder`.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from tokenizers import Tokenizer

from .checkpoint import load_checkpoint, save_checkpoint
from .decoder import Optimisers, build_decoder, rate_scale
from .run import Interrupted, Interruption, Place, Progress, RecipeError
from .settings import PretrainConfig
from .texts import Corpus
from .vocabulary import Tokens, encode, special_ids, train_tokenizer


@dataclass
class Trained:
    """A training as it stands: the model and what has been done so far."""

    model: Any
    tokenizer: Tokenizer
    optimisers: Optimisers
    world_size: int
    device_name: str
    step: int = 0
    tokens: int = 0
    elapsed_s: float = 0.0
    loss_first: float | None = None
    loss_last: float | None = None
    resumed_from_step: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Leave the group of processes, where there is one."""
        if dist.is_initialized():
            dist.destroy_process_group()


class Batches:
    """Windows of the token stream, without replacement within an epoch.

    Each epoch cuts the stream at a new random offset and visits its windows in a new random order;
    both follow from the seed and the epoch's number.
    """

    def __init__(self, stream: Tokens, context: int, batch: int, seed: int, place: Place) -> None:
        if len(stream) < 2 * context + 1:
            raise RecipeError(
                f"the training text has {len(stream)} tokens, too few for windows of {context}; "
                "give more text or a shorter decoder.context"
            )
        self._stream = stream
        self._context = context
        self._batch = batch
        self._seed = seed
        self._rank, self._world_size = place.rank, place.world_size
        self._windows = (len(stream) - 1) // context - 1
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)
        self._offset = 0

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of a step [batch, context], each of int64."""
        first = (step * self._world_size + self._rank) * self._batch
        starts = [self._start(number) for number in range(first, first + self._batch)]
        rows = np.stack([self._stream[s : s + self._context + 1] for s in starts]).astype(np.int64)
        tokens = torch.from_numpy(rows)
        return tokens[:, :-1], tokens[:, 1:]

    def _start(self, number: int) -> int:
        epoch, index = divmod(number, self._windows)
        if epoch != self._epoch:
            chance = np.random.default_rng([self._seed, epoch])
            self._order = chance.permutation(self._windows)
            self._offset = int(chance.integers(self._context))
            self._epoch = epoch
        return int(self._order[index]) * self._context + self._offset


def train(config: PretrainConfig, corpus: Corpus, place: Place, progress: Progress) -> Trained:
    """Train to the end of the budget, resuming where the run was stopped before.

    Raises
    ------
    Interrupted
        When SIGTERM came; a checkpoint of the last step has been written.
    RecipeError
        When the checkpoint belongs to another corpus or configuration, or the text is too short.
    """
    interruption = Interruption()
    device = _device(config, place)
    if place.world_size > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")

    identity = _identity(config, corpus, place)
    state = load_checkpoint(
        place.checkpoint_dir, lambda text: progress.write("checkpoint_skipped", reason=text)
    )
    if state and state["identity"] != identity:
        raise RecipeError(
            f"the checkpoint in {place.checkpoint_dir} belongs to another corpus or configuration; "
            "give the job its own checkpoint folder, or empty this one"
        )
    tokenizer, stream = _tokens(config, corpus, state, place, progress)
    torch.manual_seed(config.seed)
    model: torch.nn.Module = build_decoder(config.decoder, tokenizer.get_vocab_size(), special_ids(tokenizer))
    model.to(device)
    optimisers = Optimisers(model, config.muon_rate, config.embedding_rate, config.norm_rate)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    trained = Trained(model, tokenizer, optimisers, place.world_size, name)
    if state:
        _restore(trained, state)
        progress.write("resume", step=trained.step, resumed_from_step=trained.step)

    batches = Batches(stream, config.decoder.context, config.batch, config.seed, place)
    _loop(_Task(config, place, progress, device, identity), trained, batches, interruption)
    return trained


@dataclass(frozen=True)
class _Task:
    """What stays the same throughout a training."""

    config: PretrainConfig
    place: Place
    progress: Progress
    device: torch.device
    identity: dict[str, Any]


def _loop(task: _Task, trained: Trained, batches: Batches, interruption: Interruption) -> None:
    config, place, device = task.config, task.place, task.device
    parallel: Any = trained.model
    if place.world_size > 1:
        devices = [device.index] if device.type == "cuda" else None
        parallel = torch.nn.parallel.DistributedDataParallel(trained.model, device_ids=devices)
    parallel.train()
    began = time.monotonic() - trained.elapsed_s
    saved = tried = trained.step
    while True:
        trained.elapsed_s = time.monotonic() - began
        asked, done = _agree(interruption.asked, _share_done(config, trained), task)
        if asked or done >= 1 or trained.step - tried >= config.checkpoint_steps:
            tried = trained.step
            if _save(trained, task):
                saved = trained.step
        if asked:
            _stop(saved, trained.step)
        if done >= 1:
            return
        inputs, targets = (part.to(device) for part in batches.at(trained.step))
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            logits = parallel(input_ids=inputs, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        loss.backward()
        trained.optimisers.step(rate_scale(done, trained.step, config.warmup_steps, config.decay_share))
        trained.step += 1
        trained.tokens += targets.numel() * place.world_size
        if trained.step == 1 or trained.step % config.log_steps == 0 or trained.step == config.steps:
            trained.elapsed_s = time.monotonic() - began
            _log(trained, loss, task)


def _log(trained: Trained, loss: torch.Tensor, task: _Task) -> None:
    mean = loss.detach().float()
    if task.place.world_size > 1:
        dist.all_reduce(mean)
        mean = mean / task.place.world_size
    trained.loss_last = float(mean)
    if not np.isfinite(trained.loss_last):
        raise RecipeError(
            f"the loss is {trained.loss_last} at step {trained.step}; lower muon_rate or embedding_rate"
        )
    if trained.loss_first is None:
        trained.loss_first = trained.loss_last
    task.progress.write(
        "train",
        step=trained.step,
        steps=task.config.steps,
        loss=round(trained.loss_last, 5),
        tokens=trained.tokens,
        elapsed_s=round(trained.elapsed_s, 3),
    )


def _share_done(config: PretrainConfig, trained: Trained) -> float:
    by_steps = trained.step / config.steps if config.steps else 0.0
    by_time = trained.elapsed_s / config.seconds_max if config.seconds_max else 0.0
    return max(by_steps, by_time)


def _agree(asked: bool, done: float, task: _Task) -> tuple[bool, float]:
    """Let all processes stop at the same step: the furthest of them decides for all."""
    if task.place.world_size == 1:
        return asked, done
    facts = torch.tensor([float(asked), done], dtype=torch.float64, device=task.device)
    dist.all_reduce(facts, op=dist.ReduceOp.MAX)
    return bool(facts[0] > 0), float(facts[1])


def _stop(saved: int, step: int) -> None:
    if dist.is_initialized():
        # Nobody leaves before rank 0 has written the checkpoint.
        dist.barrier()
        dist.destroy_process_group()
    if saved == step:
        raise Interrupted(f"interrupted at step {step}, checkpoint of step {step} written")
    raise Interrupted(
        f"interrupted at step {step}, and its checkpoint could not be written; "
        f"the next attempt goes on from step {saved}"
    )


def _save(trained: Trained, task: _Task) -> bool:
    """Write a checkpoint from rank 0; a full disk is told and leaves the earlier ones in place."""
    if task.place.rank != 0:
        return True
    state = {
        "identity": task.identity,
        "tokenizer": trained.tokenizer.to_str(),
        "model": trained.model.state_dict(),
        "optimisers": trained.optimisers.state_dict(),
        "torch_rng": torch.get_rng_state(),
        "step": trained.step,
        "tokens": trained.tokens,
        "elapsed_s": trained.elapsed_s,
        "loss_first": trained.loss_first,
        "loss_last": trained.loss_last,
        "resumed_from_step": trained.resumed_from_step,
    }
    try:
        save_checkpoint(task.place.checkpoint_dir, trained.step, state)
    except OSError as error:
        task.progress.write("checkpoint_failed", step=trained.step, reason=str(error))
        return False
    task.progress.write("checkpoint", step=trained.step)
    return True


def _restore(trained: Trained, state: dict[str, Any]) -> None:
    trained.model.load_state_dict(state["model"])
    trained.optimisers.load_state_dict(state["optimisers"])
    torch.set_rng_state(state["torch_rng"])
    trained.step = state["step"]
    trained.tokens = state["tokens"]
    trained.elapsed_s = state["elapsed_s"]
    trained.loss_first = state["loss_first"]
    trained.loss_last = state["loss_last"]
    trained.resumed_from_step = [*state["resumed_from_step"], trained.step]


def _tokens(
    config: PretrainConfig,
    corpus: Corpus,
    state: dict[str, Any] | None,
    place: Place,
    progress: Progress,
) -> tuple[Tokenizer, Tokens]:
    """Return the tokenizer, trained or from the checkpoint, and the stream of training tokens."""
    started = time.monotonic()
    if state:
        tokenizer = Tokenizer.from_str(state["tokenizer"])
    else:
        # BPE training is deterministic, so every process makes the same one.
        tokenizer = train_tokenizer(corpus.train, config.decoder.vocabulary, config.tokenizer_sample_bytes)
    begin, end, _pad = special_ids(tokenizer)
    stream = np.concatenate(encode(tokenizer, corpus.train, begin, end))
    progress.write("tokenize", elapsed_s=round(time.monotonic() - started, 3), tokens=len(stream))
    return tokenizer, stream


def _device(config: PretrainConfig, place: Place) -> torch.device:
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RecipeError("device is cuda, but PyTorch sees no such device here; use auto or cpu")
    torch.cuda.set_device(place.local_rank)
    return torch.device("cuda", place.local_rank)


def _identity(config: PretrainConfig, corpus: Corpus, place: Place) -> dict[str, Any]:
    """What must be equal for a checkpoint to be continued; the budget may change."""
    return {
        "corpus": corpus.digest,
        "decoder": vars(config.decoder).copy(),
        "batch": config.batch * place.world_size,
        "seed": config.seed,
        "tokenizer_sample_bytes": config.tokenizer_sample_bytes,
    }
