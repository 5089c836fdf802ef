#include "ml/drift.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ml/kolmogorov.hpp"
#include "ml/special.hpp"

namespace mlforge::ml {
namespace {

std::uint64_t sum_of(std::span<const std::uint64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::vector<std::uint64_t> bin(const ValueCounts& sample, const std::vector<double>& edges) {
  std::vector<std::uint64_t> bins(edges.size() + 1, 0);
  std::size_t b = 0;
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    while (b < edges.size() && edges[b] < sample.values[i]) ++b;  // right-closed
    bins[b] += sample.counts[i];
  }
  return bins;
}

// One walk over both ascending value lists: the largest gap between the distribution functions, and
// its integral.
struct Gap {
  double largest = 0, integral = 0;
};

Gap gap_between(const ValueCounts& a, const ValueCounts& b) {
  const auto n = static_cast<double>(a.total()), m = static_cast<double>(b.total());
  Gap out;
  std::uint64_t below_a = 0, below_b = 0;
  double gap = 0, previous = 0;
  for (std::size_t i = 0, j = 0; i < a.values.size() || j < b.values.size();) {
    const bool from_a = j == b.values.size() || (i < a.values.size() && a.values[i] <= b.values[j]);
    const double value = from_a ? a.values[i] : b.values[j];
    if (gap > 0) out.integral += gap * (value - previous);
    if (i < a.values.size() && a.values[i] == value) below_a += a.counts[i++];
    if (j < b.values.size() && b.values[j] == value) below_b += b.counts[j++];
    gap = std::abs(static_cast<double>(below_a) / n - static_cast<double>(below_b) / m);
    out.largest = std::max(out.largest, gap);
    previous = value;
  }
  return out;
}

// Pearson's statistic of the two rows of counts.
double chi_squared(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  const auto n = static_cast<double>(sum_of(a)), m = static_cast<double>(sum_of(b));
  double statistic = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    const double expected_a = (x + y) * n / (n + m), expected_b = (x + y) * m / (n + m);
    statistic += (x - expected_a) * (x - expected_a) / expected_a +
                 (y - expected_b) * (y - expected_b) / expected_b;
  }
  return statistic;
}

// The value at sorted position `index` (from 0) of a sample with counts; `cumulative` ends each
// value's run.
double value_at(const ValueCounts& sample, const std::vector<std::uint64_t>& cumulative,
                std::uint64_t index) {
  const auto it = std::upper_bound(cumulative.begin(), cumulative.end(), index);
  return sample.values[static_cast<std::size_t>(it - cumulative.begin())];
}

}  // namespace

std::uint64_t ValueCounts::total() const { return sum_of(counts); }

std::uint64_t CategoryCounts::total() const {
  std::uint64_t n = 0;
  for (const auto& [category, count] : counts) n += count;
  return n;
}

ValueCounts count_values(std::span<const double> values) {
  ValueCounts out;
  std::vector<double> sorted;
  sorted.reserve(values.size());
  for (const double v : values)
    if (std::isfinite(v)) sorted.push_back(v + 0.0);  // -0 becomes 0
  out.missing = values.size() - sorted.size();
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size();) {
    const auto start = i;
    while (i < sorted.size() && sorted[i] == sorted[start]) ++i;
    out.values.push_back(sorted[start]);
    out.counts.push_back(i - start);
  }
  return out;
}

CategoryCounts count_categories(const Column& categorical) {
  CategoryCounts out;
  std::vector<std::uint64_t> by_code(categorical.categories.size(), 0);
  for (const auto code : categorical.codes) ++(code < 0 ? out.missing : by_code[code]);
  for (std::size_t i = 0; i < by_code.size(); ++i)
    if (by_code[i] > 0) out.counts.emplace(categorical.categories[i], by_code[i]);
  return out;
}

NumericReference make_reference(ValueCounts sample, std::uint32_t bins) {
  NumericReference out;
  out.sample = std::move(sample);
  bins = std::max(bins, 2u);
  std::vector<std::uint64_t> cumulative(out.sample.counts.size());
  std::partial_sum(out.sample.counts.begin(), out.sample.counts.end(), cumulative.begin());
  const std::uint64_t n = cumulative.empty() ? 0 : cumulative.back();
  for (std::uint64_t k = 1; k < bins && n > 0; ++k) {
    const std::uint64_t position = (n - 1) * k / bins, rest = (n - 1) * k % bins;
    double edge = value_at(out.sample, cumulative, position);
    if (rest > 0)
      edge += static_cast<double>(rest) / bins *
              (value_at(out.sample, cumulative, position + 1) - edge);
    if (out.edges.empty() || edge > out.edges.back()) out.edges.push_back(edge);
  }
  out.bin_counts = bin(out.sample, out.edges);
  return out;
}

CategoricalReference make_reference(CategoryCounts sample) {
  std::erase_if(sample.counts, [](const auto& entry) { return entry.second == 0; });
  return CategoricalReference{std::move(sample)};
}

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::stable:
      return "stable";
    case Severity::investigate:
      return "investigate";
    case Severity::alert:
      return "alert";
  }
  return "stable";
}

Severity severity_of(double psi, const DriftOptions& options) {
  if (psi > options.alert_above) return Severity::alert;
  return psi >= options.investigate_from ? Severity::investigate : Severity::stable;
}

double population_stability_index(std::span<const std::uint64_t> reference,
                                  std::span<const std::uint64_t> current, double epsilon) {
  const auto n = static_cast<double>(sum_of(reference)), m = static_cast<double>(sum_of(current));
  if (n == 0 || m == 0) return 0;
  double psi = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = std::max(static_cast<double>(reference[i]) / n, epsilon);
    const double q = std::max(static_cast<double>(current[i]) / m, epsilon);
    psi += (q - p) * std::log(q / p);
  }
  return psi;
}

NumericDrift drift(const NumericReference& reference, const ValueCounts& current,
                   const DriftOptions& options) {
  NumericDrift out;
  out.n_reference = reference.sample.total();
  out.n_current = current.total();
  out.missing_reference = reference.sample.missing;
  out.missing_current = current.missing;
  out.current_bins = bin(current, reference.edges);
  if (out.n_reference == 0 || out.n_current == 0) return out;
  out.comparable = true;
  out.psi = population_stability_index(reference.bin_counts, out.current_bins, options.epsilon);
  const auto gap = gap_between(reference.sample, current);
  const auto n = static_cast<double>(out.n_reference), m = static_cast<double>(out.n_current);
  const double effective = n * m / (n + m);
  out.ks_statistic = gap.largest;
  // nearbyint rounds halves to even, as numpy does; one value against one gives 0, taken as 1.
  const auto size = static_cast<std::uint64_t>(std::max(1.0, std::nearbyint(effective)));
  out.ks_p_value = kolmogorov_sf(size, gap.largest);
  out.ks_p_value_limit = kolmogorov_limit_sf(std::sqrt(effective) * gap.largest);
  out.wasserstein = gap.integral;
  out.severity = severity_of(out.psi, options);
  return out;
}

CategoricalDrift drift(const CategoricalReference& reference, const CategoryCounts& current,
                       const DriftOptions& options) {
  CategoricalDrift out;
  out.n_reference = reference.sample.total();
  out.n_current = current.total();
  out.missing_reference = reference.sample.missing;
  out.missing_current = current.missing;
  std::map<std::string_view, std::pair<std::uint64_t, std::uint64_t>> both;
  for (const auto& [category, count] : reference.sample.counts) both[category].first = count;
  for (const auto& [category, count] : current.counts) both[category].second = count;
  for (const auto& [category, counts] : both) {
    if (counts.first + counts.second == 0) continue;
    out.categories.emplace_back(category);
    out.reference_counts.push_back(counts.first);
    out.current_counts.push_back(counts.second);
  }
  if (out.n_reference == 0 || out.n_current == 0) return out;
  out.comparable = true;
  out.psi = population_stability_index(out.reference_counts, out.current_counts, options.epsilon);
  out.chi2_dof = out.categories.size() - 1;
  if (out.chi2_dof > 0) out.chi2_statistic = chi_squared(out.reference_counts, out.current_counts);
  out.chi2_p_value = chi_squared_sf(out.chi2_statistic, static_cast<double>(out.chi2_dof));
  out.severity = severity_of(out.psi, options);
  return out;
}

}  // namespace mlforge::ml
