#pragma once

#include "repo/session.hpp"

namespace backstay::core
{

/// Moves `last_sign` of each session forward to the store's time of the last segment it wrote.
/// Segments older than every session are not looked at; one that cannot be read is no sign.
void add_signs_of_life(Repository& repository, std::vector<ListedSession>& sessions,
                       const std::stop_token& stop);

} // namespace backstay::core
