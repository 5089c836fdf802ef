// Who is told of what the read models are about to become.
#pragma once
#include "events/envelope.hpp"

namespace mlforge::projections {

// Called by the engine's thread. Between begin() and publish() come the events of one batch, some
// of them perhaps twice; publish() comes before the batch is committed, so that whoever finds a
// position in a snapshot has been told of everything up to it. A batch that fails after that comes
// again.
class BatchObserver {
 public:
  virtual ~BatchObserver() = default;
  virtual void begin() = 0;
  virtual void seen(const EventView& envelope) = 0;
  virtual void publish(Position last) = 0;
  // Rows were thrown away: nothing that was read of them holds any more.
  virtual void wiped() = 0;
};

}  // namespace mlforge::projections
