#include "events/aggregates.hpp"
