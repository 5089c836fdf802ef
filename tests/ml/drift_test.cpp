#include "ml/drift.hpp"

#include <cmath>
#include <limits>
#include <map>

#include "ml/kolmogorov.hpp"
#include "ml/special.hpp"
#include "tests/ml/data.hpp"

namespace drift_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

namespace {

struct Figures {
  std::string data, scenario, feature;
  bool numeric;
  std::uint64_t n_reference, n_current;
  std::size_t bins;
  std::vector<std::uint64_t> reference_counts, current_counts;
  double psi;
  std::vector<double> values;
  std::vector<double> edges;
};

const std::vector<Figures>& figures() {
  static const std::vector<Figures> all{
#include "tests/ml/drift_figures.inc"
  };
  return all;
}

// Relative, and both under 1e-300 count as zero.
bool close(double a, double b, double tolerance) {
  if (std::abs(a) < 1e-300 && std::abs(b) < 1e-300) return true;
  return std::abs(a - b) <= tolerance * std::abs(b);
}

struct Sides {
  Table reference, current;
};

Sides sides_of(const Table& table, const std::string& scenario) {
  const auto half = static_cast<std::uint32_t>(table.rows() / 2);
  std::vector<std::uint32_t> first, second;
  for (std::uint32_t row = 0; row < table.rows(); ++row) {
    if (row < half)
      first.push_back(row);
    else if (scenario == "halves" || table.columns[0].numbers[row] > 45)
      second.push_back(row);
  }
  return {must(select_rows(table, first)), must(select_rows(table, second))};
}

void check_numeric(const Figures& f, const Column& reference, const Column& current) {
  const auto side = make_reference(count_values(reference.numbers));
  REQUIRE(side.edges.size() + 1 == f.bins);
  for (std::size_t i = 0; i < f.edges.size(); ++i) CHECK(close(side.edges[i], f.edges[i], 1e-12));
  CHECK(side.bin_counts == f.reference_counts);
  const auto d = drift(side, count_values(current.numbers));
  CHECK(d.n_reference == f.n_reference);
  CHECK(d.n_current == f.n_current);
  CHECK(d.current_bins == f.current_counts);
  CHECK(close(d.psi, f.psi, 1e-9));
  CHECK(close(d.ks_statistic, f.values[0], 1e-9));
  CHECK(close(d.ks_p_value, f.values[1], 1e-6));
  CHECK(close(d.ks_p_value_limit, f.values[2], 1e-6));
  CHECK(close(d.wasserstein, f.values[3], 1e-9));
}

void check_categorical(const Figures& f, const Column& reference, const Column& current) {
  const auto d = drift(make_reference(count_categories(reference)), count_categories(current));
  CHECK(d.categories.size() == f.bins);
  CHECK(d.reference_counts == f.reference_counts);
  CHECK(d.current_counts == f.current_counts);
  CHECK(close(d.psi, f.psi, 1e-9));
  CHECK(close(d.chi2_statistic, f.values[0], 1e-9));
  CHECK(close(d.chi2_p_value, f.values[1], 1e-6));
  CHECK(static_cast<double>(d.chi2_dof) == f.values[2]);
}

void check_scenario(const Table& table, const std::string& data, const std::string& scenario) {
  const auto sides = sides_of(table, scenario);
  std::size_t checked = 0;
  for (const auto& f : figures()) {
    if (f.data != data || f.scenario != scenario) continue;
    INFO(f.scenario << " " << f.feature);
    const auto column = *table.find(f.feature);
    if (f.numeric)
      check_numeric(f, sides.reference.columns[column], sides.current.columns[column]);
    else
      check_categorical(f, sides.reference.columns[column], sides.current.columns[column]);
    ++checked;
  }
  CHECK(checked == (data == "adult" ? 14 : 6));
}

}  // namespace

TEST_CASE("Adult: every figure of the reference, both scenarios") {
  const Table* table = adult();
  if (table == nullptr) return;
  check_scenario(*table, "adult", "halves");
  check_scenario(*table, "adult", "age_over_45");
}

TEST_CASE("ELEC2: every figure of the reference") {
  const auto text = data_file("elec2/elec.csv");
  if (!text) return;
  check_scenario(must(read_csv(*text)), "elec2", "halves");
}

// Needs no data: counts alone give PSI and chi-squared.
TEST_CASE("PSI and chi-squared from the reference's counts") {
  for (const auto& f : figures()) {
    INFO(f.data << " " << f.scenario << " " << f.feature);
    CHECK(close(population_stability_index(f.reference_counts, f.current_counts), f.psi, 1e-9));
    if (f.numeric) continue;
    CategoryCounts a, b;
    for (std::size_t i = 0; i < f.bins; ++i) {
      const std::string name = "c" + std::to_string(100 + i);
      a.counts[name] = f.reference_counts[i];
      b.counts[name] = f.current_counts[i];
    }
    const auto d = drift(make_reference(a), b);
    CHECK(close(d.chi2_statistic, f.values[0], 1e-9));
    CHECK(close(d.chi2_p_value, f.values[1], 1e-6));
  }
}

TEST_CASE("distribution functions equal scipy's in all regimes") {
  struct Row {
    char kind;
    std::uint64_t n;
    double x, expected;
  };
  const std::vector<Row> rows{
#include "tests/ml/distribution_figures.inc"
  };
  REQUIRE(rows.size() > 200);
  for (const auto& row : rows) {
    INFO(row.kind << " " << row.n << " " << row.x);
    const double got = row.kind == 'k'   ? kolmogorov_sf(row.n, row.x)
                       : row.kind == 'l' ? kolmogorov_limit_sf(row.x)
                                         : chi_squared_sf(row.x, static_cast<double>(row.n));
    CHECK(close(got, row.expected, 1e-8));
  }
}

TEST_CASE("distribution functions by hand") {
  CHECK(kolmogorov_sf(1, 0.75) == Approx(0.5));                    // 2 (1 - d)
  CHECK(kolmogorov_sf(2, 0.375) == Approx(0.875).epsilon(1e-12));  // 1 - 2! (2d - 1/2)^2
  CHECK(smirnov_sf(1, 0.3) == Approx(0.7));
  CHECK(kolmogorov_sf(10, 0) == 1);
  CHECK(kolmogorov_sf(10, 1) == 0);
  CHECK(chi_squared_sf(3, 2) == Approx(std::exp(-1.5)).epsilon(1e-13));
  CHECK(chi_squared_sf(4, 1) == Approx(std::erfc(std::sqrt(2.0))).epsilon(1e-13));
  CHECK(chi_squared_sf(0, 5) == 1);
  CHECK(std::isnan(gamma_q(-1, 1)));
  CHECK(log_gamma(0.5) == Approx(0.5 * std::log(M_PI)).epsilon(1e-14));
  CHECK(log_factorial(20) == Approx(std::log(2432902008176640000.0)).epsilon(1e-15));
}

TEST_CASE("the wide step of the one-sided sum changes nothing") {
  // Just below 50,000 every term is taken, above every second: the tail must go on smoothly in n at
  // equal n d^2.
  for (const double square : {2.3, 10.0, 100.0, 300.0}) {
    const double below = smirnov_sf(49999, std::sqrt(square / 49999));
    const double above = smirnov_sf(50001, std::sqrt(square / 50001));
    CHECK(close(std::log(above), std::log(below), 1e-6));
  }
}

TEST_CASE("drift by hand: right-closed bins, ties, both sides") {
  const std::vector<double> reference{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const auto side = make_reference(count_values(reference));
  CHECK(side.edges == std::vector<double>{2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(side.bin_counts == std::vector<std::uint64_t>{2, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  const auto d = drift(side, count_values(std::vector<double>{2, 2.5, -100, 100, NAN, INFINITY}));
  CHECK(d.missing_current == 2);
  CHECK(d.current_bins == std::vector<std::uint64_t>{2, 1, 0, 0, 0, 0, 0, 0, 0, 1});
  // After 2.5 the current sample is at 3/4, the reference at 2/11; that is the widest gap.
  CHECK(d.ks_statistic == Approx(0.75 - 2.0 / 11));
  const auto same = drift(side, count_values(reference));
  CHECK(same.psi == 0);
  CHECK(same.ks_statistic == 0);
  CHECK(same.ks_p_value == 1);
  CHECK(same.wasserstein == 0);
  std::vector<double> moved = reference;
  for (auto& v : moved) v += 0.25;
  CHECK(drift(side, count_values(moved)).wasserstein == Approx(0.25));
}

TEST_CASE("a shifted population is found, the same population is not") {
  const auto reference = synthetic(4000, 1), same = synthetic(4000, 2),
             shifted = synthetic(4000, 2, 1.0);
  const auto age = [](const Table& t) { return count_values(t.columns[0].numbers); };
  const auto job = [](const Table& t) { return count_categories(t.columns[6]); };
  const auto side = make_reference(age(reference));
  CHECK(drift(side, age(same)).severity == Severity::stable);
  CHECK(drift(side, age(shifted)).severity == Severity::alert);
  CHECK(drift(side, age(shifted)).ks_p_value < 1e-50);
  const auto jobs = make_reference(job(reference));
  CHECK(drift(jobs, job(same)).chi2_p_value > 1e-4);
  CHECK(drift(jobs, job(shifted)).chi2_p_value < 1e-50);
}

TEST_CASE("degenerate samples have defined answers") {
  const ValueCounts nothing = count_values(std::vector<double>{NAN, NAN});
  CHECK(nothing.missing == 2);
  const auto one = make_reference(count_values(std::vector<double>{5, 5, 5}));
  CHECK(one.edges == std::vector<double>{5});
  CHECK(one.bin_counts == std::vector<std::uint64_t>{3, 0});
  const auto against_nothing = drift(one, nothing);
  CHECK_FALSE(against_nothing.comparable);
  CHECK(against_nothing.psi == 0);
  CHECK(against_nothing.ks_p_value == 1);
  const auto from_nothing = drift(make_reference(nothing), count_values(std::vector<double>{1}));
  CHECK_FALSE(from_nothing.comparable);
  CHECK(from_nothing.current_bins == std::vector<std::uint64_t>{1});
  const auto apart = drift(one, count_values(std::vector<double>{6}));
  CHECK(apart.comparable);
  CHECK(apart.ks_statistic == 1);
  CHECK(apart.severity == Severity::alert);
  const auto single =
      drift(make_reference(CategoryCounts{{{"a", 4}}, 0}), CategoryCounts{{{"a", 2}}, 1});
  CHECK(single.chi2_dof == 0);
  CHECK(single.chi2_p_value == 1);
  CHECK(single.missing_current == 1);
  CHECK_FALSE(drift(make_reference(CategoryCounts{}), CategoryCounts{{{"a", 2}}, 0}).comparable);
}

TEST_CASE("severity borders") {
  CHECK(severity_of(0.0999) == Severity::stable);
  CHECK(severity_of(0.1) == Severity::investigate);
  CHECK(severity_of(0.2) == Severity::investigate);
  CHECK(severity_of(0.2001) == Severity::alert);
  CHECK(severity_of(0.06, {1e-4, 0.05, 0.07}) == Severity::investigate);
}

TEST_CASE("references survive as bytes; damaged bytes are refused") {
  const auto table = synthetic(500);
  const auto numeric = make_reference(count_values(table.columns[2].numbers));
  const auto categorical = make_reference(count_categories(table.columns[1]));
  const auto a = serialize(numeric), b = serialize(categorical);
  CHECK(must(parse_numeric_reference(a)) == numeric);
  CHECK(must(parse_categorical_reference(b)) == categorical);
  CHECK(serialize(must(parse_numeric_reference(a))) == a);
  for (std::size_t n = 0; n < a.size(); n += 37)
    CHECK_FALSE(parse_numeric_reference(a.substr(0, n)));
  for (std::size_t n = 0; n < b.size(); ++n)
    CHECK_FALSE(parse_categorical_reference(b.substr(0, n)));
  CHECK(parse_numeric_reference(b).error().code == ErrorCode::corrupt);
}

}  // namespace drift_tests
