#pragma once

#include "engine/prune.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// What holds for values of options beyond their kind. Each throws Error{invalid}.
void check_pattern(std::string_view text);
/// Tags between commas; none if empty.
void check_tags(std::string_view text);
/// At least one, between commas: a filter by none would let everything through.
void check_wanted_tags(std::string_view text);
void check_comment(std::string_view text);
/// Letters of "NMU".
void check_changes(std::string_view text);
/// "NAME", or "NAME:HEADER".
void check_marker(std::string_view text);
void check_groups(std::string_view text);
void check_unused_limit(std::string_view text);

/// The names in "host,path,tag", of which plurals are the same. Throws Error{invalid}.
std::vector<std::string> groups_of(std::string_view text);
/// "5%", "1GiB" or "unlimited". Throws Error{invalid}.
void set_unused_limit(std::string_view text, PruneOptions& options);
/// The pieces of a text between separators, without empty ones.
std::vector<std::string> split_text(std::string_view text, char separator);

} // namespace backstay::core
