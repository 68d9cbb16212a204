"Every shipped model: a complete card, the size and the architecture that the book states, figures that can be recomputed."
import hashlib
import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rssr.operators import pair
from rssr.data import embedded_photographs
from rssr.unet import network, SplitUNet
from rssr.models import list_models, load_card, load_model, model_path, save_model
from rssr.training import load_checkpoint, save_checkpoint, train, TrainConfig, validate

MODELS = list_models()


@pytest.mark.parametrize('name', MODELS)
def test_card_is_complete(name):
    card = load_card(name)
    assert not [k for k in ('name', 'scale', 'architecture', 'config', 'data', 'images_seen', 'units', 'sha256') if not card.get(k)]
    assert card['name'] == name and card['scale'] in (2, 4) and isinstance(card['seed'], int)
    assert card['sha256'] == hashlib.sha256(model_path(name).read_bytes()).hexdigest()
    v = card['validation']
    assert v['n'] > 0 and math.isfinite(v['psnr']) and v['psnr_pooled'] == pytest.approx(-10*math.log10(v['mse']))


@pytest.mark.parametrize('name', MODELS)
def test_card_agrees_with_its_recipe(name):
    card = load_card(name)
    cfg = TrainConfig(**card['config'])
    assert [card[k] for k in ('name', 'scale', 'sigma_f', 'eps_rel', 'seed')] == [cfg.name, cfg.scale, cfg.sigma_f, cfg.eps_rel, cfg.seed]
    assert network(card['architecture']).args == network(cfg.architecture).args
    assert len(card['history']) == cfg.epochs


@pytest.mark.parametrize('name', MODELS)
def test_model(name):
    assert model_path(name).stat().st_size < 1.1e6
    f = load_model(name, 'cpu')
    assert sum(p.numel() for p in f.parameters()) == ({2: 482_924, 4: 483_536}[load_card(name)['scale']] if isinstance(f, SplitUNet) else 486_571)
    assert not any(m.training for m in f.modules()) and {p.device.type for p in f.parameters()} == {'cpu'}
    y, x = pair(embedded_photographs().images[:1].float()/255, load_card(name)['scale'])
    with torch.no_grad(): out, folded = f(y), f.folded()(y)
    assert (folded - out).abs().max() < 1e-3
    assert (out - y).abs().max() > 1e-3                   # a fresh residual network would return its input


def test_figures_on_the_embedded_photographs():
    cards = {name: card['embedded'] for name in MODELS if (card := load_card(name)).get('embedded')}
    assert len(cards) >= 2, f"of {len(MODELS)} cards, {len(cards)} have an entry 'embedded'"
    for name in (min(cards), max(cards)):
        found = validate(load_model(name).folded(), embedded_photographs(), load_card(name)['scale'])
        for k in ('mse', 'psnr', 'psnr_pooled', 'n'): assert found[k] == pytest.approx(cards[name][k], rel=1e-4), f'{k} of {name}'


def without(config): return {k: v for k, v in config.items() if k != 'threat'}  # a field that came later


@pytest.mark.parametrize('name', MODELS)
def test_a_run_of_an_older_version_is_the_same_recipe(name, tmp_path):
    config = without(load_card(name)['config'])
    f = load_model(name)
    copy = save_model(f, tmp_path/f'{name}.safetensors', load_card(name) | dict(config=config))
    assert train(TrainConfig(**config), [], [], tmp_path).card['config'] == config  # not trained again, not refused
    with pytest.raises(ValueError, match='another recipe'): train(TrainConfig(**config | dict(lr=7.)), [], [], tmp_path)
    copy.unlink()
    point, opt = tmp_path/f'{name}.checkpoint.safetensors', torch.optim.Adam(f.parameters())
    save_checkpoint(point, f, None, opt, TrainConfig(**config), [])
    with safe_open(point, 'pt') as file: tensors, meta = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()
    save_file(tensors, point, meta | dict(config=json.dumps(without(json.loads(meta['config'])))))
    assert load_checkpoint(point, f, None, opt, TrainConfig(**config)) == []
