#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// The candidate that takes the fewest insertions, deletions, replacements and swaps of neighbours,
/// if it is near enough to be meant (a third of the word's length, at least 2); else "".
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

} // namespace backstay::core
