"""Settings of `mmupt train`. The defaults are MM-UPT's protocol (arXiv 2505.22453 and its public code, 8 GPUs)."""

from typing import ClassVar, Literal

from mmupt.config.guard import LIMITS, GuardConfig
from mmupt.config.sampling import RolloutConfig
from mmupt.config.section import Section
from mmupt.config.vote import RewardConfig, VoteConfig
from mmupt.errors import UserError

Deepspeed = Literal["none", "zero1", "zero2", "zero3"]


class UpdateConfig(Section):
    """One gradient step."""

    learning_rate: float = 1e-6
    """Peak learning rate of AdamW."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate goes after the warm-up; linear and cosine end at zero."""
    warmup_steps: int = 0
    """Updates over which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's averages."""
    max_grad_norm: float = 1.0
    """The gradient is scaled down to this norm."""
    clip_low: float = 0.2
    """The ratio of new to old probability counts down to 1 - clip_low."""
    clip_high: float = 0.3
    """The ratio counts up to 1 + clip_high."""
    dual_clip: float = 3.0
    """Largest ratio for a negative advantage."""
    kl_coefficient: float = 0.01
    """Weight of the k3 KL to the untrained model; 0 keeps no reference at all and leaves out groups whose advantages
    are all zero."""
    loss_type: Literal["bnpo", "dapo", "grpo", "dr_grpo"] = "bnpo"
    """How token losses are averaged: bnpo is the mean over the tokens of a micro-batch, then over micro-batches."""
    micro_batch_size: int = 4
    """Completions in the mean that bnpo takes. It changes the loss, not the memory: see pack_tokens."""
    pack_tokens: int = 4096
    """Most tokens that go through the model at once, padding included; one group always goes."""
    layout: Literal["auto", "shared_prefix", "repeated"] = "auto"
    """shared_prefix runs a group's prompt and pictures once; auto takes it for every model class that it was checked
    with."""
    attention: Literal["auto", "dense", "flex"] = "auto"
    """How the shared prefix is masked: flex skips what is masked (CUDA only), dense is one mask of all pairs; auto is
    flex on a GPU and dense on the CPU."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of holding them."""


class LoraConfig(Section):
    """Train low-rank adapters instead of the weights."""

    rank: int = 16
    """Rank of the adapters."""
    alpha: int = 32
    """Their output is scaled by alpha / rank."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Linear layers that get one, by the last part of their name."""


class SaveConfig(Section):
    """Checkpoints: always one after the last step."""

    every: int = 5
    """Steps between checkpoints; a killed run loses at most so many steps."""
    total_limit: int | None = 2
    """Checkpoints to keep: the newest, and the last one that the guard calls good; null keeps all."""


class TrainConfig(Section):
    """`mmupt train`: questions without answers in, checkpoints out."""

    out: str = "runs/train"
    """Run folder."""
    model: str = "tiny"
    """Model folder, hub id, or "tiny"."""
    data: str = "tiny:train"
    """Problem set: a registered name, a .jsonl or .parquet file, a folder, or hub:ID:SPLIT. Its answers are masked."""
    limit: int | None = None
    """Use the first so many problems only."""
    system: str | None = None
    """System prompt; null leaves it to the chat template."""
    seed: int = 0
    """Data order and sampling are derived from it."""
    estimator: str = "majority"
    """Where the reward comes from: a module of mmupt.rewards."""
    group_size: int = 10
    """Rollouts of each problem that are trained on (G)."""
    vote_samples: int | None = None
    """Rollouts of each problem that vote; the first group_size of them are trained on, as in TTRL (64 and 32). null:
    group_size."""
    max_prompt_tokens: int | None = 2048
    """Problems whose processed prompt, image tokens included, is longer are left out before training, and counted. null
    keeps all."""
    problems_per_step: int = 512
    """Problems of one batch of rollouts."""
    updates_per_step: int = 4
    """Gradient steps that share one batch of rollouts; each takes its own part of the problems."""
    epochs: int = 15
    """Passes over the problems."""
    steps: int | None = None
    """Batches of rollouts in all; null: as many as the epochs hold."""
    ranks: int | None = None
    """Processes on this machine; more than one are started by torchrun. null: one for each visible GPU, or one without
    any, or without DeepSpeed. Ignored under a launcher, whose WORLD_SIZE counts."""
    deepspeed: Deepspeed = "zero2"
    """DeepSpeed's ZeRO stage; "none" trains in one process of plain torch."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model is trained."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers of the forward pass: auto is bfloat16 on a GPU, float32 on the CPU. The optimiser's weights are float32
    in either case."""
    threads: int = 1
    """Threads of each process on the CPU. A fixed number makes sums, and so the weights, repeatable to the bit."""
    freeze_vision: bool = False
    """Train the language model only."""
    audit: bool = False
    """Log how often vote and samples are right. The gold answers go to that log and nowhere else."""
    tracker: str | None = None
    """Also send the metrics to tensorboard, wandb or trackio."""
    rollout: RolloutConfig = RolloutConfig()
    vote: VoteConfig = VoteConfig()
    reward: RewardConfig = RewardConfig()
    update: UpdateConfig = UpdateConfig()
    lora: LoraConfig | None = None
    """Adapters; null trains all weights."""
    save: SaveConfig = SaveConfig()
    guard: GuardConfig = GuardConfig()

    free: ClassVar[frozenset[str]] = (
        Section.free
        | {f"guard.{name}" for name in ("on_collapse", "window", *LIMITS)}
        | {"ranks", "tracker", "save.every", "save.total_limit", "update.pack_tokens", "update.gradient_checkpointing"}
    )
    """The guard only watches: a run that it stopped may go on under other limits. Ranks and memory change the order of
    sums alone."""

    @property
    def rollouts_each(self) -> int:
        """Rollouts that are sampled for each problem."""
        return self.vote_samples or self.group_size

    def __post_init__(self) -> None:
        if self.rollout.side_by_side:
            fix = "leave out rollout.engines and rollout.ray; ranks sample side by side"
            raise UserError("training samples from its own weights, in its own processes", where="rollout", fix=fix)
        self._refuse_old_weights()
        if self.vote_samples is not None and self.vote_samples < self.group_size:
            what = (
                f"vote_samples = {self.vote_samples} is fewer than group_size = {self.group_size}, which are trained on"
            )
            raise UserError(what, fix=f"use {self.group_size} or more, or null")
        if self.vote.min_count > self.rollouts_each:
            what = f"vote.min_count = {self.vote.min_count} can never be reached by {self.rollouts_each} rollouts"
            raise UserError(what, fix=f"use {self.rollouts_each} or fewer")
        if self.rollout.temperature == 0:
            fix = "use a number above 0, such as 0.7"
            raise UserError(
                "rollout.temperature = 0 makes all rollouts of a problem the same, and their vote empty", fix=fix
            )
        if self.save.every < 1:
            raise UserError(f"save.every = {self.save.every} is no number of steps", fix="use 1 or more")
        if self.save.total_limit is not None and self.save.total_limit < 1:
            raise UserError(f"save.total_limit = {self.save.total_limit} keeps nothing", fix="use 1 or more, or null")

    def _refuse_old_weights(self) -> None:
        """Rollouts come from the weights of the moment: of servers, only vLLM's can be given them."""
        asked = self.rollout
        if asked.engine == "openai":
            fix = "for a vLLM server, set it to vllm and rollout.base_url to the address"
            raise UserError("rollout.engine = openai samples from the weights that the server began with", fix=fix)
        if asked.base_url is not None and asked.engine != "vllm":
            fix = "set rollout.engine to vllm, or leave rollout.base_url out"
            raise UserError(f"rollout.base_url is of no use to the engine {asked.engine}", fix=fix)
        if asked.base_url is None and (asked.tensor_parallel_size or 1) > 1:
            fix = "leave it out, or start a vLLM server and set rollout.base_url"
            raise UserError("rollout.tensor_parallel_size: in training each rank samples on its own GPU", fix=fix)
