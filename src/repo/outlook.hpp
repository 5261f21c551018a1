#pragma once

#include "store/object_store.hpp"

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// What lies where snapshots are chosen from: snapshots/ listed first, gc/ and notes/ second, all
/// fresh (docs/protocol.md, "Terms"). Plain value.
struct Outlook {
    std::vector<ObjectInfo> snapshots;
    std::vector<ObjectInfo> condemnations;
    std::vector<ObjectInfo> notes;
};

/// Lists also what lies under `others` and gives it to `other`. Two lists where the store tells
/// several prefixes at once.
Outlook list_outlook(ObjectStore& store, std::vector<std::string> others,
                     const std::function<void(const ObjectInfo&)>& other,
                     const std::stop_token& stop);

} // namespace backstay::core
