import pytest
import torch

from bruk.recipes.decoder import Optimisers, build_decoder, rate_scale
from bruk.recipes.settings import DecoderConfig

SMALL = DecoderConfig(
    vocabulary=300, layers=2, width=16, heads=2, key_value_heads=1, mlp_width=24, context=32
)


def test_the_stdlib_decoder_has_the_size_it_is_known_by() -> None:
    model = build_decoder(DecoderConfig(), 4096, (0, 1, 2))
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_114_880
    assert model.config.architectures in (None, ["MistralForCausalLM"])


def test_a_step_moves_every_parameter_at_its_own_rate() -> None:
    torch.manual_seed(1)
    model = build_decoder(SMALL, 300, (0, 1, 2))
    optimisers = Optimisers(model, muon_rate=0.02, embedding_rate=0.5, norm_rate=0.001)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    tokens = torch.randint(0, 300, (2, 17))
    model(input_ids=tokens, labels=tokens).loss.backward()
    optimisers.step(0.5)
    moved = {name: float((p.detach() - before[name]).abs().max()) for name, p in model.named_parameters()}
    assert all(distance > 0 for distance in moved.values())
    # Adam's first step is the rate itself, here halved by the schedule.
    assert moved["model.embed_tokens.weight"] == pytest.approx(0.25, rel=0.01)
    assert moved["model.norm.weight"] == pytest.approx(0.0005, rel=0.01)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_rate_warms_up_holds_and_falls_to_zero() -> None:
    assert rate_scale(0.0, 0, 10, 0.5) == pytest.approx(0.1)
    assert rate_scale(0.4, 40, 10, 0.5) == 1.0
    assert rate_scale(0.75, 75, 10, 0.5) == pytest.approx(0.5)
    assert rate_scale(1.0, 100, 10, 0.5) == 0.0
    assert rate_scale(1.2, 120, 10, 0.5) == 0.0
    assert rate_scale(0.9, 90, 0, 0.0) == 1.0
