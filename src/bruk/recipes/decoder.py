"""The small decoder in the Mistral architecture and its two optimisers.

Muon orthogonalises the update of the hidden matrices (Jordan et al. 2024, as ``torch.optim.Muon``);
AdamW takes the embeddings, norms and head, as Muon's authors advise. The learning rate warms up,
holds, and decays linearly to zero.
"""

from typing import TYPE_CHECKING, Any

import torch

from .settings import DecoderConfig

if TYPE_CHECKING:
    from transformers import MistralForCausalLM


def build_decoder(
    config: DecoderConfig, vocabulary_size: int, special_ids: tuple[int, int, int]
) -> "MistralForCausalLM":
    """Build an untrained decoder; the weights follow torch's current seed.

    Parameters
    ----------
    config:
        Shape of the decoder.
    vocabulary_size:
        Tokens that the tokenizer has; little text makes fewer than were asked for.
    special_ids:
        Numbers of the tokens that begin a text, end it, and pad.
    """
    from transformers import MistralConfig, MistralForCausalLM

    begin_id, end_id, pad_id = special_ids
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=vocabulary_size,
            hidden_size=config.width,
            intermediate_size=config.mlp_width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.key_value_heads,
            head_dim=config.width // config.heads,
            max_position_embeddings=config.context,
            sliding_window=None,
            tie_word_embeddings=config.tied_embeddings,
            bos_token_id=begin_id,
            eos_token_id=end_id,
            pad_token_id=pad_id,
            attention_dropout=0.0,
            use_cache=False,
        )
    )


class Optimisers:
    """Muon for the matrices of the layers, AdamW for embeddings, head and norms; one schedule."""

    def __init__(
        self, model: torch.nn.Module, muon_rate: float, embedding_rate: float, norm_rate: float
    ) -> None:
        hidden: list[torch.nn.Parameter] = []
        embeddings: list[torch.nn.Parameter] = []
        norms: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if parameter.ndim != 2:
                norms.append(parameter)
            else:
                (hidden if ".layers." in f".{name}" else embeddings).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": embeddings, "lr": embedding_rate},
            {"params": norms, "lr": norm_rate},
        ]
        self._all: dict[str, torch.optim.Optimizer] = {
            "muon": torch.optim.Muon(hidden, lr=muon_rate, weight_decay=0.01),
            "adamw": torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0),
        }
        self._rates = {"muon": [muon_rate], "adamw": [embedding_rate, norm_rate]}

    def step(self, scale: float) -> None:
        """Take one step at the given share of the full learning rates, and clear gradients."""
        for name, optimiser in self._all.items():
            for group, rate in zip(optimiser.param_groups, self._rates[name], strict=True):
                group["lr"] = rate * scale
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return both optimisers' state."""
        return {name: optimiser.state_dict() for name, optimiser in self._all.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name, optimiser in self._all.items():
            optimiser.load_state_dict(state[name])


def rate_scale(done: float, step: int, warmup_steps: int, decay_share: float) -> float:
    """Share of the full learning rate at a point of the training.

    Parameters
    ----------
    done:
        Share of the budget used so far, 0 to 1.
    step:
        Steps taken so far.
    warmup_steps:
        Steps of the linear warm-up.
    decay_share:
        Share of the budget, at its end, over which the rate falls linearly to zero.
    """
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    falling = min(1.0, max(0.0, 1.0 - done) / decay_share) if decay_share > 0 else 1.0
    return min(warm, falling)
