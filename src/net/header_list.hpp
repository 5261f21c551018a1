#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backstay::core
{

/// Names and values in the order in which they are sent. A name may stand more than once.
using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// The value of the first header of that name, letters compared without case. Borrowed from
/// `headers`.
std::optional<std::string_view> find_header(const HeaderList& headers, std::string_view name);

} // namespace backstay::core
