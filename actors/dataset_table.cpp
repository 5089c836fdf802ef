#include "actors/dataset_table.hpp"

#include <algorithm>
#include <optional>

#include "actors/pipeline_yaml.hpp"
#include "ml/csv_records.hpp"

namespace mlforge::actors {
namespace {

struct CsvPart {
  std::string delimiter = ",", skip_prefix, strip_dot;
  std::vector<std::string> files;
  bool header = true, trim = false, missing_as_category = false;
  std::vector<std::string> missing{""};
  static constexpr auto fields() {
    return FieldList{field("files", &CsvPart::files),
                     field("delimiter", &CsvPart::delimiter),
                     field("header", &CsvPart::header),
                     field("skip_prefix", &CsvPart::skip_prefix),
                     field("trim", &CsvPart::trim),
                     field("missing", &CsvPart::missing),
                     field("missing_as_category", &CsvPart::missing_as_category),
                     field("strip_dot", &CsvPart::strip_dot)};
  }
};

struct ColumnPart {
  std::string name, kind;
  bool required = true;
  double max_null_fraction = 1;
  std::optional<double> min, max;
  std::optional<std::vector<std::string>> allowed;
  static constexpr auto fields() {
    return FieldList{mlforge::required("name", &ColumnPart::name),
                     mlforge::required("kind", &ColumnPart::kind),
                     field("required", &ColumnPart::required),
                     field("max_null_fraction", &ColumnPart::max_null_fraction),
                     field("min", &ColumnPart::min),
                     field("max", &ColumnPart::max),
                     field("allowed", &ColumnPart::allowed)};
  }
};

struct SchemaPart {
  CsvPart csv;
  std::vector<ColumnPart> columns;
  bool other_columns = true;
  std::uint64_t min_rows = 1;
  static constexpr auto fields() {
    return FieldList{field("csv", &SchemaPart::csv), field("columns", &SchemaPart::columns),
                     field("other_columns", &SchemaPart::other_columns),
                     field("min_rows", &SchemaPart::min_rows)};
  }
};

Status check_column(const YamlNode& root, const std::string& path, const ColumnPart& column) {
  const auto fault = [&](std::string_view key, std::string_view message) {
    const auto at = path + "." + std::string(key);
    return yaml_fault(nearest(root, at), at, message);
  };
  const bool numeric = column.kind == "numeric";
  if (!numeric && column.kind != "categorical")
    return fault("kind", "must be numeric or categorical, not '" + column.kind + "'");
  if (column.max_null_fraction < 0 || column.max_null_fraction > 1)
    return fault("max_null_fraction", "must be from 0 to 1");
  if (!numeric && (column.min || column.max))
    return fault(column.min ? "min" : "max", "has no meaning for a categorical column");
  if (numeric && column.allowed) return fault("allowed", "has no meaning for a numeric column");
  if (column.min && column.max && *column.min > *column.max)
    return fault("min", "must not be above max");
  return {};
}

Status check_csv(const YamlNode& root, const SchemaPart& part) {
  const auto fault = [&](const std::string& path, std::string_view message) {
    return yaml_fault(nearest(root, path), path, message);
  };
  if (part.csv.delimiter.size() != 1) return fault("csv.delimiter", "must be one character");
  if (!part.csv.header && part.columns.empty())
    return fault("columns", "must name all columns in order where the files have no header");
  if (part.csv.missing_as_category && part.csv.missing.empty())
    return fault("csv.missing", "must name the marker that becomes a category");
  return {};
}

DatasetSchema convert(SchemaPart part) {
  DatasetSchema schema;
  schema.csv_files = std::move(part.csv.files);
  schema.missing_as_category = part.csv.missing_as_category;
  schema.csv.delimiter = part.csv.delimiter[0];
  schema.csv.header = part.csv.header;
  schema.csv.skip_prefix = part.csv.skip_prefix;
  schema.csv.trim_leading_blanks = part.csv.trim;
  schema.csv.missing_markers = std::move(part.csv.missing);
  schema.csv.strip_dot_column = part.csv.strip_dot;
  schema.data.min_rows = part.min_rows;
  schema.data.allow_other_columns = part.other_columns;
  for (auto& column : part.columns) {
    if (!schema.csv.header) schema.csv.column_names.push_back(column.name);
    schema.data.columns.push_back(
        {.name = std::move(column.name),
         .kind = column.kind == "numeric" ? ml::ColumnKind::numeric : ml::ColumnKind::categorical,
         .required = column.required,
         .max_null_fraction = column.max_null_fraction,
         .min = column.min,
         .max = column.max,
         .allowed = std::move(column.allowed)});
  }
  return schema;
}

const FileRef* find_file(const std::vector<FileRef>& files, std::string_view path) {
  for (const auto& file : files)
    if (file.path == path) return &file;
  return nullptr;
}

Error in_file(std::string_view path, Error error) {
  error.message = "file '" + std::string(path) + "': " + error.message;
  return error;
}

Expected<std::optional<DatasetSchema>> schema_of(const std::vector<FileRef>& files,
                                                 const StepBlobs& blobs) {
  const auto* file = find_file(files, kSchemaFile);
  if (!file) return std::optional<DatasetSchema>{};
  auto text = blobs.get(file->digest);
  if (!text) return in_file(kSchemaFile, text.error());
  auto schema = read_dataset_schema(*text);
  if (!schema) return in_file(kSchemaFile, schema.error());
  return std::optional(*std::move(schema));
}

Expected<std::vector<FileRef>> csv_files(const std::vector<FileRef>& files,
                                         const std::vector<std::string>& named) {
  std::vector<FileRef> out;
  for (const auto& path : named) {
    const auto* file = find_file(files, path);
    if (!file)
      return Error{ErrorCode::not_found,
                   "schema.yaml names the file '" + path + "', which the version does not hold",
                   "csv.files"};
    out.push_back(*file);
  }
  if (named.empty())
    for (const auto& file : files)
      if (file.path.ends_with(".csv") || file.path.ends_with(".data") ||
          file.path.ends_with(".test"))
        out.push_back(file);
  if (out.empty())
    return Error{ErrorCode::invalid_argument,
                 "the version holds no table: no file ends with .csv, .data or .test", "files"};
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

// Kinds are told to the reader for the columns that the file has; what is absent is for the checks.
ml::CsvOptions options_for(const DatasetSchema& schema, std::string_view text) {
  auto options = schema.csv;
  auto names = options.column_names;
  if (options.header) {
    ml::CsvRecords records(text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0), options);
    records.next(names);
  }
  const auto has = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& column : schema.data.columns)
    if (has(column.name)) options.kinds[column.name] = column.kind;
  return options;
}

struct Loaded {
  DatasetSchema schema;
  ml::Table table;
};

Expected<Loaded> load(const std::vector<FileRef>& files, const StepBlobs& blobs) {
  auto schema = schema_of(files, blobs);
  if (!schema) return schema.error();
  Loaded out{schema->value_or(DatasetSchema{}), {}};
  const auto parts = csv_files(files, out.schema.csv_files);
  if (!parts) return parts.error();
  for (const auto& file : *parts) {
    const auto text = blobs.get(file.digest);
    if (!text) return in_file(file.path, text.error());
    auto table = ml::read_csv(*text, options_for(out.schema, *text));
    if (!table) return in_file(file.path, table.error());
    if (out.table.columns.empty()) {
      out.table = *std::move(table);
      continue;
    }
    auto both = ml::concatenate(out.table, *table);
    if (!both) return in_file(file.path, both.error());
    out.table = *std::move(both);
  }
  if (!*schema)
    for (const auto& column : out.table.columns)
      out.schema.data.columns.push_back({.name = column.name, .kind = column.kind});
  return out;
}

std::optional<std::string> marker_of(const DatasetSchema& schema) {
  if (!schema.missing_as_category) return std::nullopt;
  return schema.csv.missing_markers.front();
}

void keep_marker(ml::Table& table, const std::string& marker) {
  for (auto& column : table.columns) {
    if (column.kind != ml::ColumnKind::categorical || column.count_missing() == 0) continue;
    const auto code = static_cast<std::int32_t>(column.categories.size());
    column.categories.push_back(marker);
    std::replace(column.codes.begin(), column.codes.end(), -1, code);
  }
}

}  // namespace

Expected<DatasetSchema> read_dataset_schema(std::string_view yaml) {
  const auto root = parse_yaml(yaml);
  if (!root) return root.error();
  SchemaPart part;
  if (auto bad = yaml::read(*root, "", part)) return *bad;
  if (auto bad = check_csv(*root, part)) return *bad;
  for (std::size_t i = 0; i < part.columns.size(); ++i) {
    const auto path = "columns[" + std::to_string(i) + "]";
    if (auto bad = check_column(*root, path, part.columns[i])) return *bad;
  }
  return convert(std::move(part));
}

Expected<ml::Table> load_dataset_table(const std::vector<FileRef>& files, const StepBlobs& blobs) {
  auto loaded = load(files, blobs);
  if (!loaded) return loaded.error();
  if (const auto marker = marker_of(loaded->schema)) keep_marker(loaded->table, *marker);
  return std::move(loaded->table);
}

Expected<std::optional<std::string>> missing_category(const std::vector<FileRef>& files,
                                                      const StepBlobs& blobs) {
  const auto schema = schema_of(files, blobs);
  if (!schema) return schema.error();
  return marker_of(schema->value_or(DatasetSchema{}));
}

Expected<DatasetCheck> check_dataset(const std::vector<FileRef>& files, const StepBlobs& blobs) {
  const auto loaded = load(files, blobs);
  if (!loaded) return loaded.error();
  DatasetCheck out{loaded->table.rows(), loaded->table.columns.size(), {}};
  for (auto& each : ml::validate(loaded->table, loaded->schema.data))
    out.checks.push_back({each.name, each.column, each.passed, each.observed, each.expected});
  return out;
}

}  // namespace mlforge::actors
