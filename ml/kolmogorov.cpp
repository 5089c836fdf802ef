#include "ml/kolmogorov.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "ml/special.hpp"

namespace mlforge::ml {
namespace {

constexpr double kPi = std::numbers::pi;

// A number kept as mantissa * 2^exponent, square matrix of order m, row-major.
struct ScaledMatrix {
  std::size_t m;
  std::vector<double> cells;
  int exponent = 0;

  // Cells are never negative, so scaling by the middle one keeps all in range (Marsaglia, Tsang,
  // Wang 2003).
  void rescale() {
    int shift = 0;
    std::frexp(*std::max_element(cells.begin(), cells.end()), &shift);
    if (std::abs(shift) < 300) return;
    for (auto& c : cells) c = std::ldexp(c, -shift);
    exponent += shift;
  }
};

ScaledMatrix multiply(const ScaledMatrix& a, const ScaledMatrix& b) {
  const auto m = a.m;
  ScaledMatrix out{m, std::vector<double>(m * m, 0.0), a.exponent + b.exponent};
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t k = 0; k < m; ++k) {
      const double f = a.cells[i * m + k];
      if (f == 0) continue;
      for (std::size_t j = 0; j < m; ++j) out.cells[i * m + j] += f * b.cells[k * m + j];
    }
  out.rescale();
  return out;
}

ScaledMatrix power(ScaledMatrix base, std::uint64_t n) {
  ScaledMatrix out{base.m, std::vector<double>(base.m * base.m, 0.0), 0};
  for (std::size_t i = 0; i < base.m; ++i) out.cells[i * base.m + i] = 1;
  for (; n > 0; n >>= 1) {
    if (n & 1) out = multiply(out, base);
    if (n > 1) base = multiply(base, base);
  }
  return out;
}

// The matrix H of Marsaglia, Tsang and Wang for n d = k - h.
ScaledMatrix durbin_matrix(std::size_t k, double h) {
  const auto m = 2 * k - 1;
  ScaledMatrix out{m, std::vector<double>(m * m, 0.0), 0};
  const auto at = [&](std::size_t i, std::size_t j) -> double& { return out.cells[i * m + j]; };
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < m; ++j) at(i, j) = i + 1 >= j ? 1 : 0;
  for (std::size_t i = 0; i < m; ++i) {
    at(i, 0) -= std::pow(h, static_cast<double>(i + 1));
    at(m - 1, i) -= std::pow(h, static_cast<double>(m - i));
  }
  if (2 * h > 1) at(m - 1, 0) += std::pow(2 * h - 1, static_cast<double>(m));
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < m; ++j)
      if (i + 1 > j)
        for (std::size_t g = 1; g <= i + 1 - j; ++g) at(i, j) /= static_cast<double>(g);
  return out;
}

// ln(n! / n^n)
double log_factorial_ratio(double n) { return log_factorial(n) - n * std::log(n); }

double durbin_cdf(std::uint64_t n, double d) {
  const double t = static_cast<double>(n) * d;
  const double k = std::floor(t) + 1;
  const auto order = static_cast<std::size_t>(k);
  const auto q = power(durbin_matrix(order, k - t), n);
  const double middle = q.cells[(order - 1) * q.m + order - 1];
  if (middle <= 0) return 0;
  return std::exp(std::log(middle) + q.exponent * std::numbers::ln2 +
                  log_factorial_ratio(static_cast<double>(n)));
}

// K0 + K1/sqrt(n) + K2/n + K3/n^1.5 in the form for small z (Simard and L'Ecuyer 2011,
// section 2.4).
double pelz_good_cdf(std::uint64_t n, double d) {
  const double z = d * std::sqrt(static_cast<double>(n));
  const double z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, z8 = z4 * z4;
  const double pi2 = kPi * kPi;
  double k0 = 0, k1 = 0, k2 = 0, k3 = 0;
  // Each sum runs over k and -k; the terms fall faster than exp(-k^2), so a handful is all that
  // counts.
  const int last = static_cast<int>(std::ceil(16 * z / kPi)) + 1;
  for (int k = last; k >= 0; --k) {
    const double a = pi2 * (k + 0.5) * (k + 0.5);
    const double e = std::exp(-a / (2 * z2));
    k0 += e;
    k1 += 2 * e * (a - z2);
    k2 += 2 * e * (6 * z6 + 2 * z4 + a * (2 * z4 - 5 * z2) + a * a * (1 - 2 * z2));
    k3 += 2 * e *
          (a * a * a * (5 - 30 * z2) + a * a * (-60 * z2 + 212 * z4) + a * (135 * z4 - 96 * z6) -
           30 * z6 - 90 * z8);
  }
  double k2_whole = 0, k3_whole = 0;
  for (int k = last; k >= 1; --k) {
    const double a = pi2 * k * k;
    const double e = std::exp(-a / (2 * z2));
    k2_whole += 2 * e * a;
    k3_whole += 2 * e * (3 * a * z2 - a * a);
  }
  const double half = std::sqrt(kPi / 2);
  const double root_n = std::sqrt(static_cast<double>(n));
  const double c0 = 2 * half / z * k0;
  const double c1 = half / (6 * z4) * k1;
  const double c2 = half * (k2 / (72 * z6 * z) - k2_whole / (36 * z2 * z));
  const double c3 = half * (k3 / (6480 * z8 * z2) + k3_whole / (216 * z6));
  return std::clamp(c0 + (c1 + (c2 + c3 / root_n) / root_n) / root_n, 0.0, 1.0);
}

// n d <= 1.
double small_d_sf(double n, double t) {
  if (t <= 0.5) return 1;
  return -std::expm1(log_factorial_ratio(n) + n * std::log(2 * t - 1));
}

}  // namespace

double smirnov_sf(std::uint64_t n, double d) {
  if (d <= 0) return 1;
  if (d >= 1) return 0;
  const auto count = static_cast<double>(n);
  const double log_n = log_factorial(count);
  const auto term = [&](double j) {
    const double left = j / count + d, right = 1 - d - j / count;
    if (right <= 0) return 0.0;
    return std::exp(log_n - log_factorial(j) - log_factorial(count - j) + (j - 1) * std::log(left) +
                    (count - j) * std::log(right));
  };
  const double step = std::max(1.0, std::floor(count / 25000));
  double sum = 0;
  for (double j = 0; j <= count * (1 - d); j += step) sum += term(j);
  return std::min(1.0, d * step * sum);
}

double kolmogorov_sf(std::uint64_t n, double d) {
  if (n == 0 || d <= 0) return 1;
  if (d >= 1) return 0;
  const auto count = static_cast<double>(n);
  const double t = count * d;
  const double td = t * d;
  if (t <= 1) return small_d_sf(count, t);
  if (t >= count - 1) return 2 * std::pow(1 - d, count);
  if (d >= 0.5 || td >= (n <= 140 ? 4.0 : 2.2)) return std::min(1.0, 2 * smirnov_sf(n, d));
  const bool matrix = n <= 140 || (n <= 100000 && t * std::sqrt(d) <= 1.4);
  return std::clamp(1 - (matrix ? durbin_cdf(n, d) : pelz_good_cdf(n, d)), 0.0, 1.0);
}

double kolmogorov_limit_sf(double lambda) {
  if (lambda <= 0) return 1;
  const double square = lambda * lambda;
  if (lambda < 0.82) {  // the theta function's other form converges fast here
    double cdf = 0;
    for (int k = 5; k >= 1; --k) {
      const double odd = 2 * k - 1;
      cdf += std::exp(-odd * odd * kPi * kPi / (8 * square));
    }
    return 1 - std::sqrt(2 * kPi) / lambda * cdf;
  }
  double sf = 0;
  for (int k = 6; k >= 1; --k) sf += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * square);
  return sf;
}

}  // namespace mlforge::ml
