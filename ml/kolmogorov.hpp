// The distribution of the Kolmogorov-Smirnov statistic.
#pragma once
#include <cstdint>

namespace mlforge::ml {

// P(D_n >= d): the exact two-sided one-sample distribution, for n >= 1. Methods and their borders
// as in Simard and L'Ecuyer (2011), "Computing the Two-Sided Kolmogorov-Smirnov Distribution", J.
// Stat. Softw. 39(11), and as in scipy.stats.kstwo:
//   n d <= 1 or n d >= n - 1          Ruben and Gambino (1982), closed forms;
//   d >= 1/2, or n d^2 >= 2.2         twice the one-sided tail (Miller 1956), from n d^2 = 4 on
//   where n <= 140; n <= 140, or n d^1.5 <= 1.4       Marsaglia, Tsang and Wang (2003), matrix
//   power; else                              Pelz and Good (1976), asymptotic series.
// Relative error under 1e-6 (against scipy under 1e-8) down to 1e-300. Any thread.
double kolmogorov_sf(std::uint64_t n, double d);

// P(D+_n >= d), the exact one-sided tail (Smirnov 1944; Birnbaum and Tingey 1951): a sum of
// positive terms. For n > 50,000 the smooth sum is taken by the trapezoid rule with a wider step.
double smirnov_sf(std::uint64_t n, double d);

// The limit for n to infinity: 2 sum_{k>=1} (-1)^(k-1) exp(-2 k^2 lambda^2), lambda = sqrt(n) d
// (Kolmogorov 1933).
double kolmogorov_limit_sf(double lambda);

}  // namespace mlforge::ml
