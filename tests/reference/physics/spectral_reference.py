"""Answers to Williamson's tests 5 and 6 from an independent spectral model, for physics/src/cases/reference.

    python3 -m venv venv && venv/bin/pip install numpy
    venv/bin/python tests/reference/physics/spectral_reference.py CASE TRUNCATION STEP_S OUT

CASE is 5 or 6: `5 170 300 williamson_5.f32` and `6 170 240 williamson_6.f32` made the files (20 min each). Vorticity, divergence and height on spherical harmonics (triangular truncation), products on a
Gaussian grid without aliasing of squares, classical Runge-Kutta in time, and an eighth-order diffusion that halves nothing but the last
waves. Equations and starts: Williamson et al. (1992), doi:10.1016/S0021-9991(05)80016-6. Nothing is shared with the core: no grid, no scheme.

The file holds f32, little-endian: for each m from 0 to TRUNCATION, for each n from m to TRUNCATION, real and imaginary part of the coefficient of the
height of the surface [m]; harmonics are normalised to unit mean square over the sphere, H(λ, μ) = Re Σ (2 - [m = 0]) c P(μ) exp(imλ).
Made with numpy 2, Python 3.11, 2026-11-28.
"""

import sys

import numpy as np

A, OMEGA, G, DAY = 6.37122e6, 7.292e-5, 9.80616, 86400.0


def legendre(truncation, mu):
    """P[m]: (latitude, n - m) up to n = truncation + 1, ∫P² dμ = 2."""
    table = []
    start = np.ones_like(mu)
    for m in range(truncation + 1):
        if m > 0:
            start = start * np.sqrt((2 * m + 1) / (2 * m)) * np.sqrt(1 - mu * mu)
        rows = [start, np.sqrt(2 * m + 3) * mu * start]
        for n in range(m + 2, truncation + 2):
            e = lambda k: np.sqrt((k * k - m * m) / (4 * k * k - 1))
            rows.append((mu * rows[-1] - e(n - 1) * rows[-2]) / e(n))
        table.append(np.array(rows[: truncation + 2 - m]).T)
    return table


class Spectral:
    def __init__(self, truncation):
        self.t = truncation
        nlat = (3 * truncation + 1) // 2 + 1
        nlat += nlat % 2
        self.nlon = 2 * nlat
        self.mu, self.weight = np.polynomial.legendre.leggauss(nlat)
        self.lat, self.lon = np.arcsin(self.mu), 2 * np.pi * np.arange(self.nlon) / self.nlon
        full = legendre(truncation, self.mu)
        self.p = [p[:, : truncation + 1 - m] for m, p in enumerate(full)]
        self.h = []
        for m, p in enumerate(full):
            n = np.arange(m, truncation + 1)
            e = lambda k: np.sqrt(np.maximum(k * k - m * m, 0) / (4.0 * k * k - 1))
            lower = np.concatenate([np.zeros((nlat, 1)), p[:, : truncation - m]], axis=1)
            self.h.append(-n * e(n + 1) * p[:, 1 : truncation + 2 - m] + (n + 1) * e(n) * lower)
        self.offset = np.cumsum([0] + [truncation + 1 - m for m in range(truncation + 1)])
        self.n = np.concatenate([np.arange(m, truncation + 1) for m in range(truncation + 1)])
        self.laplace = -self.n * (self.n + 1) / A**2
        with np.errstate(divide="ignore"):
            self.inverse = np.where(self.n > 0, 1 / self.laplace, 0)

    def analyse(self, plain, pairs):
        """Coefficients of plain fields, and divergence and curl of pairs of winds times cos φ."""
        fields = list(plain) + [f for pair in pairs for f in pair]
        waves = np.fft.rfft(np.array(fields), axis=2)[:, :, : self.t + 1] / self.nlon
        waves = waves * (0.5 * self.weight[:, None])
        waves[len(plain) :] /= (1 - self.mu[:, None] ** 2) * A
        waves = np.ascontiguousarray(np.moveaxis(waves, 2, 0))
        out = np.empty((len(plain) + 2 * len(pairs), len(self.n)), complex)
        for m in range(self.t + 1):
            part = slice(self.offset[m], self.offset[m + 1])
            p = times(waves[m], self.p[m])
            h = times(waves[m, len(plain) :], self.h[m])
            out[: len(plain), part] = p[: len(plain)]
            p = p[len(plain) :]
            out[len(plain) :: 2, part] = 1j * m * p[0::2] - h[1::2]
            out[len(plain) + 1 :: 2, part] = 1j * m * p[1::2] + h[0::2]
        return out

    def synthesise(self, plain, psi, chi):
        """Grid values of coefficients, and wind times cos φ."""
        waves = np.zeros((self.nlon // 2 + 1, len(plain) + 2, len(self.mu)), complex)
        c = np.array([*plain, psi, chi])
        for m in range(self.t + 1):
            part = c[:, self.offset[m] : self.offset[m + 1]]
            p, h = times(part, self.p[m].T), times(part[-2:], self.h[m].T)
            waves[m, : len(plain)] = p[:-2]
            waves[m, -2] = (1j * m * p[-1] - h[0]) / A
            waves[m, -1] = (1j * m * p[-2] + h[1]) / A
        return np.fft.irfft(np.moveaxis(waves, 0, 2) * self.nlon, n=self.nlon, axis=2)


def times(c, real):
    """Complex rows times a real matrix, in real numbers."""
    both = np.concatenate([c.real, c.imag]) @ real
    return both[: len(c)] + 1j * both[len(c) :]


def start(case, s):
    lat, lon = np.meshgrid(s.lat, s.lon, indexing="ij")
    c = np.cos(lat)
    if case == 5:
        u0, h0 = 20.0, 5960.0
        u, v = u0 * c, 0 * c
        height = h0 - (A * OMEGA * u0 + u0 * u0 / 2) * np.sin(lat) ** 2 / G
        radius = np.pi / 9
        distance = np.minimum(radius, np.hypot(np.mod(lon - 1.5 * np.pi + np.pi, 2 * np.pi) - np.pi, lat - np.pi / 6))
        ground = 2000 * (1 - distance / radius)
        return u, v, height, ground
    w = k = 7.848e-6
    r, h0 = 4, 8000.0
    u = A * w * c + A * k * c ** (r - 1) * (r * np.sin(lat) ** 2 - c**2) * np.cos(r * lon)
    v = -A * k * r * c ** (r - 1) * np.sin(lat) * np.sin(r * lon)
    a = w / 2 * (2 * OMEGA + w) * c**2 + k * k / 4 * c ** (2 * r) * ((r + 1) * c**2 + (2 * r * r - r - 2) - 2 * r * r / c**2)
    b = 2 * (OMEGA + w) * k / ((r + 1) * (r + 2)) * c**r * ((r * r + 2 * r + 2) - (r + 1) ** 2 * c**2)
    d = k * k / 4 * c ** (2 * r) * ((r + 1) * c**2 - (r + 2))
    return u, v, h0 + A * A / G * (a + b * np.cos(r * lon) + d * np.cos(2 * r * lon)), 0 * c


def run(case, truncation, dt, days):
    s = Spectral(truncation)
    u, v, height, ground = start(case, s)
    cos = np.cos(s.lat)[:, None]
    f = 2 * OMEGA * np.sin(s.lat)[:, None]
    hs, div, curl = s.analyse([ground], [(u * cos, v * cos)])
    (h,) = s.analyse([height], [(u, u)])[:1]
    # The ground as the harmonics see it, so that a resting lake would rest.
    ground = s.synthesise([hs], 0 * hs, 0 * hs)[0]

    def tendency(y):
        zeta, delta, h = y
        vort, height, uc, vc = s.synthesise([zeta, h], s.inverse * zeta, s.inverse * delta)
        depth, eta = height - ground, vort + f
        kinetic = (uc**2 + vc**2) / (2 * cos**2)
        out = s.analyse([kinetic], [(eta * uc, eta * vc), (depth * uc, depth * vc)])
        return np.array([-out[1], out[2] - s.laplace * (out[0] + G * h), -out[3]])

    y = np.array([curl, div, h])
    steps = int(np.ceil(days * DAY / dt))
    dt = days * DAY / steps
    damping = np.exp(-dt / (6 * 3600) * (s.n / truncation) ** 8)
    for step in range(steps):
        k1 = tendency(y)
        k2 = tendency(y + dt / 2 * k1)
        k3 = tendency(y + dt / 2 * k2)
        y = (y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + tendency(y + dt * k3))) * damping
        if step % 200 == 0:
            print(step, steps, abs(y).max(), flush=True)
    return s, y[2]


if __name__ == "__main__":
    case, truncation, dt, out = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    days = float(sys.argv[5]) if len(sys.argv) > 5 else {5: 15.0, 6: 10.0}[case]
    s, h = run(case, truncation, dt, days)
    h.astype("<c8").tofile(out)
    print("mean height", h[0])
