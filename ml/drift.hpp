// Has the data moved? Statistics of a current sample against a fixed reference, feature by feature.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "ml/table.hpp"

namespace mlforge::ml {

// Distinct values, ascending, and how often each occurs (> 0). `missing` counts what was dropped:
// NaN and infinities.
struct ValueCounts {
  std::vector<double> values;
  std::vector<std::uint64_t> counts;
  std::uint64_t missing = 0;

  std::uint64_t total() const;
  bool operator==(const ValueCounts&) const = default;
};

// Category to how often it occurs. A missing marker such as "?" may be a category; missing cells
// are counted apart.
struct CategoryCounts {
  std::map<std::string, std::uint64_t, std::less<>> counts;
  std::uint64_t missing = 0;

  std::uint64_t total() const;
  bool operator==(const CategoryCounts&) const = default;
};

ValueCounts count_values(std::span<const double> values);
CategoryCounts count_categories(
    const Column& categorical);  // categories that never occur are left out

// The reference side of a numeric feature, computed once.
struct NumericReference {
  ValueCounts sample;
  std::vector<double> edges;              // interior bin edges, ascending, distinct
  std::vector<std::uint64_t> bin_counts;  // edges.size() + 1; of the reference

  bool operator==(const NumericReference&) const = default;
};

struct CategoricalReference {
  CategoryCounts sample;

  bool operator==(const CategoricalReference&) const = default;
};

// Interior edges are the distinct quantiles k/bins, k = 1..bins-1, of the reference: position h =
// (n-1) k / bins computed in integers, linear between neighbours. No values: no edges, one empty
// bin. bins >= 2, fewer count as 2.
NumericReference make_reference(ValueCounts sample, std::uint32_t bins = 10);
CategoricalReference make_reference(CategoryCounts sample);

// Deterministic bytes and back; corrupt when they are not whole.
std::string serialize(const NumericReference& reference);
std::string serialize(const CategoricalReference& reference);
Expected<NumericReference> parse_numeric_reference(std::string_view bytes);
Expected<CategoricalReference> parse_categorical_reference(std::string_view bytes);

enum class Severity { stable, investigate, alert };
std::string_view to_string(Severity severity);

struct DriftOptions {
  double epsilon = 1e-4;          // floor of a bin's share in PSI
  double investigate_from = 0.1;  // PSI from here on: investigate
  double alert_above = 0.2;       // PSI above: alert
};

// PSI = sum (q - p) ln(q / p) over bins, p and q the shares of reference and current, each at least
// epsilon, not renormalised. `comparable` is false when either side has no values at all: every
// statistic is then 0, every p-value 1, severity stable.
struct NumericDrift {
  bool comparable = false;
  std::uint64_t n_reference = 0, n_current = 0, missing_reference = 0, missing_current = 0;
  std::vector<std::uint64_t>
      current_bins;  // as the reference's bins, right-closed: (-inf, e0], (e0, e1], ..., (ek, +inf)
  double psi = 0;
  double ks_statistic = 0;      // max |F_ref - F_cur|, ties stepped together
  double ks_p_value = 1;        // kolmogorov_sf(round(n m / (n + m)), statistic)
  double ks_p_value_limit = 1;  // kolmogorov_limit_sf(sqrt(n m / (n + m)) statistic)
  double wasserstein = 0;       // first Wasserstein distance, in the feature's unit
  Severity severity = Severity::stable;
};

struct CategoricalDrift {
  bool comparable = false;
  std::uint64_t n_reference = 0, n_current = 0, missing_reference = 0, missing_current = 0;
  std::vector<std::string> categories;  // the union of both sides, by byte order
  std::vector<std::uint64_t> reference_counts, current_counts;
  double psi = 0;
  double chi2_statistic =
      0;  // Pearson's, 2 x k table, no continuity correction; 0 for a single category
  std::uint64_t chi2_dof = 0;
  double chi2_p_value = 1;
  Severity severity = Severity::stable;
};

// Pure; any thread. O(distinct values of both sides).
NumericDrift drift(const NumericReference& reference, const ValueCounts& current,
                   const DriftOptions& options = {});
CategoricalDrift drift(const CategoricalReference& reference, const CategoryCounts& current,
                       const DriftOptions& options = {});

// Over bins of equal number; `reference` and `current` hold counts. 0 when either side is empty.
double population_stability_index(std::span<const std::uint64_t> reference,
                                  std::span<const std::uint64_t> current, double epsilon = 1e-4);

Severity severity_of(double psi, const DriftOptions& options = {});

}  // namespace mlforge::ml
