// Special functions that the standard library lacks, or has only with a global variable (lgamma's
// signgam).
#pragma once

namespace mlforge::ml {

// ln Gamma(x) for x > 0. Stirling's series after shifting x to 16 or more (Abramowitz and
// Stegun 6.1.41): relative error about 1e-15 for large x, absolute about 1e-14 for small. Any
// thread.
double log_gamma(double x);

// ln n! for n >= 0.
inline double log_factorial(double n) { return log_gamma(n + 1); }

// Q(a, x), the regularised upper incomplete gamma function, for a > 0 and x >= 0 (NaN otherwise):
// the series of P below x = a + 1, Legendre's continued fraction (modified Lentz) above (Numerical
// Recipes 6.2). Relative error under 1e-10 down to 1e-300 for a up to 1e5.
double gamma_q(double a, double x);

// P(X >= statistic) for X chi-squared distributed with `dof` degrees of freedom; 1 for dof = 0.
double chi_squared_sf(double statistic, double dof);

}  // namespace mlforge::ml
