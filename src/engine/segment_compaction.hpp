#pragma once

#include "repo/repository.hpp"

#include <cstddef>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// How many small index segments there may be before they are joined.
inline constexpr std::size_t most_small_segments = 32;

/// Joins the small index segments, of which every backup leaves some, into few: who opens the
/// repository without a cache reads them all. Returns those that may be removed now, for their
/// successors are durable: protocol.md, "Collector", of a collection that condemns nothing. Those
/// of sessions that go on stay as they are, and for a week what an interrupted backup can be
/// resumed from. Throws Error.
std::vector<SegmentId> compact_segments(Repository& repository, const std::stop_token& stop);

} // namespace backstay::core
