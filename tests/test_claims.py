"""Claims judged on invented figures, of which the verdicts are known."""
import numpy as np
import pandas as pd
import pytest

from rssr.claims import (
    CLAIMS,
    EPS_RELS,
    FAILS,
    HOLDS,
    RADII,
    SETTINGS,
    Evidence,
    networks_of,
    rank_agreement,
    read_evidence,
    reproduced,
    seed_differences,
    setting_of,
    verdict_of,
)
from rssr.grid import GRID
from tools.results.source import RESULTS

SAID = read_evidence(RESULTS).said
SPREAD = np.linspace(-5, 5, 9)                   # of the photographs, the same for all


def invented(**figures: float) -> Evidence:
    """Everybody has 20 dB and an SSIM of 0.5, those of a kind so much more."""
    rows = {}
    for scale in (2, 4):
        models = {name: what for what, name in networks_of(scale, 'thesis').items()}
        models |= {f'x{scale}_linear_{at:g}': 'linear' for at in RADII}
        lines = [dict(model=name, eps_rel=at, content=str(i), mse=.01, ssim=.5 + .1*more/20,
                      psnr=20 + more + spread)
                 for name, what in models.items() for at in RADII
                 for more in [figures.get(what.split()[0], 0.) + figures.get(f'x{scale}', 0.)]
                 for i, spread in enumerate(SPREAD)]
        rows |= {(scale, attack): pd.DataFrame(lines) for attack in ('thesis', 'strongest')}
    return Evidence(SAID, rows)


CASES = [
    ('about', dict(smoothing=.2), HOLDS),
    ('about', dict(smoothing=-2.), FAILS),
    ('about', dict(smoothing=2.), FAILS),
    ('ssim', dict(smoothing=1.), HOLDS),
    ('ssim', dict(adversarial=1.), FAILS),
    ('psnr', dict(adversarial=1.), HOLDS),
    ('psnr', dict(smoothing=1.), FAILS),
    ('four', dict(x2=1.), HOLDS),
    ('four', dict(x4=1.), FAILS),
    ('smoothing2', dict(smoothing=1.), HOLDS),
    ('smoothing4', dict(standard=1.), FAILS),
    ('adversary2', dict(adversarial=1.), HOLDS),
    ('adversary4', dict(standard=1.), FAILS),
    ('smoothing2_linear', dict(linear=1., adversarial=2.), FAILS),
    ('adversary2_linear', dict(linear=1., adversarial=2.), HOLDS),
]


@pytest.mark.parametrize('key, figures, verdict', CASES)
def test_a_verdict_follows_the_figures(key: str, figures: dict, verdict: str) -> None:
    """Signs, settings and scales are those of the words."""
    found = CLAIMS[key].comparisons('thesis', 'thesis', invented(**figures))
    assert verdict_of(found) == verdict
    assert {one.eps_rel for one in found} <= set(RADII)


def test_what_was_not_measured_is_not_compared() -> None:
    """Nobody of the residual family is among the invented."""
    assert CLAIMS['psnr'].comparisons('residual', 'strongest', invented()) == []
    assert seed_differences(invented()) == {}


def test_the_order_of_the_thesis_agrees_with_itself() -> None:
    """Errors rank the other way round."""
    evidence = invented()
    for scale in (2, 4):
        names = networks_of(scale, 'thesis')
        rows = evidence.rows[scale, 'thesis']
        for what, name in names.items():
            for at in EPS_RELS:
                which = (rows['model'] == name) & (rows['eps_rel'] == at)
                rows.loc[which, 'mse'] = 10**(-SAID['psnr_db'][scale, what, at]/10)
        found = reproduced(scale, 'psnr', evidence)
        assert all(found[at].models == len(SETTINGS) for at in RADII)
        assert all(found[at].tau == pytest.approx(1, abs=.03) for at in EPS_RELS)


def test_every_network_of_the_thesis_has_its_setting() -> None:
    """Thirteen a scale, the second seeds beside them."""
    for scale in (2, 4): assert len(networks_of(scale, 'thesis')) == 13
    assert {setting_of(name) for name, cfg in GRID.items() if cfg.seed} <= set(SETTINGS)
    reverse = pd.DataFrame(dict(a=[2.], b=[1.]))
    assert rank_agreement(pd.Series([1., 2.], ['a', 'b']), reverse).tau < 0
