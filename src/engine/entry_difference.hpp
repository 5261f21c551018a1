#pragma once

#include "format/entry.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// In what two states of an entry differ, contents left out: "kind", "size", "mode", "owner",
/// "modified", "target", "device", "xattrs", "flags". Attributes that one of them does not have are
/// passed over.
std::vector<std::string> differing_attributes(const Entry& before, const Entry& after);

} // namespace backstay::core
