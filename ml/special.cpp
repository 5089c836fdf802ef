#include "ml/special.hpp"

#include <cmath>
#include <limits>
#include <numbers>

namespace mlforge::ml {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = std::numeric_limits<double>::min() / kEpsilon;

// P(a, x) without its factor x^a e^-x / Gamma(a + 1).
double series(double a, double x) {
  double term = 1, sum = 1;
  for (double k = 1; term > sum * kEpsilon; ++k) {
    term *= x / (a + k);
    sum += term;
  }
  return sum;
}

// Q(a, x) without its factor x^a e^-x / Gamma(a).
double continued_fraction(double a, double x) {
  double b = x + 1 - a;
  double c = 1 / kTiny;
  double d = 1 / b;
  double h = d;
  for (double i = 1; i < 1e6; ++i) {
    const double an = -i * (i - a);
    b += 2;
    d = an * d + b;
    if (std::abs(d) < kTiny) d = kTiny;
    c = b + an / c;
    if (std::abs(c) < kTiny) c = kTiny;
    d = 1 / d;
    const double step = d * c;
    h *= step;
    if (std::abs(step - 1) < kEpsilon) break;
  }
  return h;
}

}  // namespace

double log_gamma(double x) {
  double product = 1;
  for (; x < 16; ++x) product *= x;
  const double r = 1 / (x * x);
  const double correction =
      (1.0 / 12 + r * (-1.0 / 360 +
                       r * (1.0 / 1260 + r * (-1.0 / 1680 + r * (1.0 / 1188 + r * (-691.0 / 360360 +
                                                                                   r / 156)))))) /
      x;
  const double stirling = (x - 0.5) * std::log(x) - x + 0.5 * std::log(2 * std::numbers::pi);
  return stirling + correction - std::log(product);
}

double gamma_q(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return 1;
  if (std::isinf(x)) return 0;
  const double log_factor = a * std::log(x) - x;
  if (x < a + 1) return 1 - std::exp(log_factor - log_gamma(a + 1)) * series(a, x);
  return std::exp(log_factor - log_gamma(a)) * continued_fraction(a, x);
}

double chi_squared_sf(double statistic, double dof) {
  return dof == 0 ? 1 : gamma_q(dof / 2, statistic / 2);
}

}  // namespace mlforge::ml
