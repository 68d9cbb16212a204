"Every shipped model: a complete card, size and architecture as stated, figures one can recompute."
import hashlib
import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rssr.data import Crops, embedded_photographs
from rssr.models import (
    WEIGHTS,
    list_models,
    load_card,
    load_model,
    model_path,
    operator_of,
    save_model,
)
from rssr.operators import pair
from rssr.recipe import TrainConfig
from rssr.training import TrainState, load_checkpoint, save_checkpoint, train, validate
from rssr.unet import Refined, SplitRefined, SplitUNet, network

MODELS = list_models()
KEYS = ('name', 'scale', 'architecture', 'config', 'data', 'images_seen', 'units', 'sha256')
SPLIT = {2: 482_924, 4: 483_536}       # parameters, by scale
REFINED = {2: 39_420, 4: 154_848}
ONE_BLOCK = {2: 20_155, 4: 79_487}


@pytest.mark.parametrize('name', MODELS)
def test_card_is_complete(name):
    card = load_card(name)
    assert not [key for key in KEYS if not card.get(key)]
    assert card['name'] == name and card['scale'] in (2, 4) and isinstance(card['seed'], int)
    assert card['sha256'] == hashlib.sha256(model_path(name).read_bytes()).hexdigest()
    figures = card['validation']
    assert figures['n'] > 0 and math.isfinite(figures['psnr'])
    assert figures['psnr_pooled'] == pytest.approx(-10*math.log10(figures['mse']))


@pytest.mark.parametrize('name', MODELS)
def test_card_agrees_with_its_recipe(name):
    card = load_card(name)
    cfg = TrainConfig(**card['config'])
    for key in ('name', 'scale', 'sigma_f', 'eps_rel', 'seed'):
        assert card[key] == getattr(cfg, key)
    assert network(card['architecture']).args == network(cfg.architecture).args
    assert len(card['history']) == cfg.epochs


@pytest.mark.parametrize('name', MODELS)
def test_model(name):
    assert model_path(name).stat().st_size < 1.1e6
    f, card = load_model(name, 'cpu'), load_card(name)
    expected = 486_571
    if isinstance(f, SplitUNet): expected = SPLIT[card['scale']]
    if isinstance(f, (Refined, SplitRefined)): expected = REFINED[card['scale']]
    if network(card['architecture']).args.get('blocks') == 1: expected = ONE_BLOCK[card['scale']]
    assert sum(weights.numel() for weights in f.parameters()) == expected
    assert not any(module.training for module in f.modules())
    assert {weights.device.type for weights in f.parameters()} == {'cpu'}
    y, _ = pair(embedded_photographs().images[:1].float()/255, operator_of(card))
    with torch.no_grad(): out, folded = f(y), f.folded()(y)
    assert (folded - out).abs().max() < 1e-3
    assert (out - y).abs().max() > 1e-3  # a fresh residual network would return its input


def test_figures_on_the_embedded_photographs():
    cards = {name: load_card(name) for name in MODELS}
    known = [name for name, card in cards.items() if card.get('embedded')]
    assert len(known) >= 2, f"of {len(MODELS)} cards, {len(known)} have an entry 'embedded'"
    for name in (min(known), max(known)):
        f, operator = load_model(name).folded(), operator_of(cards[name])
        found = validate(f, embedded_photographs(), operator)
        for key in ('mse', 'psnr', 'psnr_pooled', 'n'):
            assert found[key] == pytest.approx(cards[name]['embedded'][key], rel=1e-4), (name, key)


LATER = ('photographs', 'photographs_held_out', 'start')    # entries that came later


def without(config):
    "A recipe as it was before it had a field that came later, where that has its default."
    default = TrainConfig().threat
    return {key: value for key, value in config.items() if key != 'threat' or value != default}


def write_maps(f, out):
    "The maps inside a network, as files: those that ship may be newer ones."
    f = f.f if isinstance(f, SplitRefined) else f
    for i, eps_rel in enumerate(f.radii):
        name = f'x{f.scale}_linear_{eps_rel:g}'
        save_model(f.maps.one(i), out/f'{name}.safetensors', load_card(name))


@pytest.mark.parametrize('name', MODELS)
def test_a_run_of_an_older_version_is_the_same_recipe(name, tmp_path):
    card = load_card(name)
    config = without(card['config'])
    if config.get('maps'): write_maps(load_model(name), tmp_path)
    older = {key: value for key, value in card.items() if key not in LATER}
    save_model(load_model(name), tmp_path/f'{name}.safetensors', older | dict(config=config))
    few = embedded_photographs().images[:1]
    photos, val = Crops(few, ['a']), Crops(few, ['b'])
    found = train(TrainConfig(**config), photos, val, tmp_path)
    assert found.card['config'] == config  # not trained again, not refused
    with pytest.raises(ValueError, match='another recipe'):
        train(TrainConfig(**config | dict(lr=7.)), photos, val, tmp_path)


@pytest.mark.parametrize('name', MODELS)
def test_a_checkpoint_of_an_older_version_is_the_same_recipe(name, tmp_path):
    f, cfg = load_model(name), TrainConfig(**without(load_card(name)['config']))
    state = TrainState(f, None, torch.optim.Adam(f.parameters()))
    point = tmp_path/f'{name}.checkpoint.safetensors'
    save_checkpoint(point, state, cfg)
    with safe_open(point, 'pt') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        metadata = file.metadata()
    older = json.dumps(without(json.loads(metadata['config'])))
    save_file(tensors, point, metadata | dict(config=older))
    load_checkpoint(point, state, cfg)
    assert state.history == []


def test_all_weights_together_are_small():
    files = [*WEIGHTS.glob('*.safetensors'), *WEIGHTS.glob('*.json')]
    assert len(files) > 100 and sum(path.stat().st_size for path in files) < 30e6
