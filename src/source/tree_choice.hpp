#pragma once

#include "source/tree_source.hpp"

#include <string>
#include <string_view>

namespace backstay::core
{

/// What a tree source leaves out by its options, as JSON text that a snapshot keeps: the same
/// choice can be made again. Empty if it is the standard one.
std::string record_of_choice(const TreeSourceOptions& options);

/// The choice of a recorded text in options that are otherwise given. What it does not say stays
/// the standard. Throws Error{damaged}.
void apply_choice(std::string_view record, TreeSourceOptions& options);

} // namespace backstay::core
