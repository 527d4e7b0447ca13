"""The eleven analytic forecasts of the rain network in PyTorch, for the two programs beside this file."""
import torch
from torch.nn import functional as F

THRESHOLDS_MM_H = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0]


def blur(x):
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    return (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4


def forecasts(rain, valid, thresholds):
    """Exceedance probabilities [N, 11, J, y, x] of rain [N, 4, y, x], mm/h, 0 where valid is 0, above thresholds [1, J, 1, 1]."""
    over = lambda k: (rain[:, k:k + 1] >= thresholds).float() * valid[:, k:k + 1]
    ratio = lambda a, b: F.interpolate(blur(a) / blur(b).clamp_min(0.02), rain.shape[2:], mode="bilinear", align_corners=False)
    e, m = over(0), valid[:, :1]
    parts = [e]
    for _ in range(5):
        e, m = F.avg_pool2d(e, 2), F.avg_pool2d(m, 2)
        parts.append(ratio(e, m))
    seen = valid.sum(1, True)
    parts.append(ratio(F.avg_pool2d(sum(over(k) for k in range(4)), 4), F.avg_pool2d(seen, 4)))
    log, middle = torch.log10(rain + 0.03), torch.log10(thresholds + 0.03)
    mean = (log * valid).sum(1, True) / seen.clamp_min(1)
    now, newest = log[:, :1], valid[:, :1]
    for x, width, known in ((now, 0.06, newest), (now, 0.15, newest), (blur(now), 0.12, newest), (mean, 0.12, (seen > 0).float())):
        parts.append(torch.sigmoid((x - middle) / width) * known)
    return torch.stack(parts, 1)
