// The port to the append-only log. LmdbLog is the real one, MemoryLog its twin for tests; one suite
// runs on both.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

// A condition on a stream at the moment of the append; a stream may be named that is only read.
struct Expectation {
  std::string stream;
  std::uint64_t version = 0;  // how many events the stream must hold; 0: it must not exist yet
};

// Everything in one request is appended together or not at all.
struct AppendRequest {
  std::string tenant;
  std::string actor;
  std::string command_id;  // empty: not idempotent. A known id answers with the first outcome,
                           // writing nothing. It may end in '#' and 16 hexadecimal digits, the
                           // request's fingerprint, which is no part of the id
  Uuid causation;
  Uuid correlation;
  std::vector<Expectation> expectations;
  std::vector<NewEvent> events;  // may be of several streams; never empty
};

struct Appended {
  Position first = 0;
  Position last = 0;
  bool duplicate = false;
  bool other_request = false;  // of a duplicate: its fingerprint was another
};

// A command id without its fingerprint.
std::string_view bare_command_id(std::string_view command_id);

// Clock and ids are ports, so that tests are seeded.
struct Clock {
  virtual ~Clock() = default;
  virtual TimeUs now() = 0;
};
struct IdSource {
  virtual ~IdSource() = default;
  virtual Uuid next(TimeUs now) = 0;                   // UUIDv7 of that millisecond, ascending
  virtual void salt(std::span<std::uint8_t> out) = 0;  // random bytes for the leaf commitment
};
std::shared_ptr<Clock> system_clock();
std::shared_ptr<IdSource> system_ids();
std::shared_ptr<IdSource> seeded_ids(std::uint64_t seed);

// Called for each event in order; false stops the read. The view is valid during the call only.
using Visitor = std::function<bool(const EventView&)>;
// The same for a record as stored (storage/record.hpp).
using RecordVisitor = std::function<bool(Position, Bytes record)>;

class Log {
 public:
  virtual ~Log() = default;

  // Appends all requests under one sync and answers each on its own: Appended, or
  //   conflict          an expectation does not hold (nothing of that request is written),
  //   payload_too_large a payload over max_event_bytes(),
  //   invalid_argument  no events, or a tenant, stream or type that is empty, too long or has a
  //   NUL, read_only         the log stopped writing (full disk, failed sync, map full); it stays
  //   so until reopened.
  // An answer means that the events are on disk. Only one thread may call it.
  virtual std::vector<Expected<Appended>> append(std::span<const AppendRequest> requests) = 0;

  // The position of the last durable event; 0 when empty. Any thread.
  virtual Position head() const = 0;

  // Visits events at positions [from, from + limit) that are durable when the call starts. Every
  // record's CRC is checked: `corrupt` names the position. Answers the last position visited (0:
  // none). Any thread.
  virtual Expected<Position> read(Position from, std::uint64_t limit,
                                  const Visitor& visit) const = 0;

  // The same, as stored: for followers, backups and the leaves of the Merkle tree. Any thread.
  virtual Expected<Position> read_records(Position from, std::uint64_t limit,
                                          const RecordVisitor& visit) const = 0;

  // The same for one stream, from a version on, up to and including position `as_of`. Answers the
  // last version visited (0: none). Any thread.
  virtual Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                              std::uint64_t from_version, std::uint64_t limit,
                                              Position as_of, const Visitor& visit) const = 0;

  // How many durable events the stream holds; 0: it does not exist. An error where that cannot be
  // read. Any thread.
  virtual Expected<std::uint64_t> stream_version(std::string_view tenant,
                                                 std::string_view stream) const = 0;

  // The outcome of a command inside the window of the last command_window() events. Any thread.
  virtual std::optional<Appended> find_command(std::string_view tenant,
                                               std::string_view command_id) const = 0;

  // The last position whose time is <= `time` (0: none). Any thread.
  virtual Position position_at(TimeUs time) const = 0;

  // Set when the log stopped writing, with the reason. Any thread.
  virtual Status writable() const = 0;

  // Unique id of this log (in the format header), given to followers and brokers.
  virtual Uuid log_id() const = 0;

  static constexpr std::size_t max_event_bytes() { return 8u << 20; }
  static constexpr std::size_t command_window() { return 65536; }
};

}  // namespace mlforge::storage
