#include "repo/outlook.hpp"

#include <algorithm>

namespace backstay::core
{

Outlook list_outlook(ObjectStore& store, std::vector<std::string> others,
                     const std::function<void(const ObjectInfo&)>& other,
                     const std::stop_token& stop)
{
    Outlook outlook;
    store.list(
        "snapshots/", Freshness::fresh,
        [&outlook](const ObjectInfo& info) { outlook.snapshots.push_back(info); }, stop);
    std::vector<std::string> prefixes = std::move(others);
    prefixes.insert(prefixes.end(), {"gc/", "notes/"});
    std::sort(prefixes.begin(), prefixes.end());
    store.list_all(
        prefixes, Freshness::fresh,
        [&](const ObjectInfo& info) {
            if (info.key.starts_with("gc/")) {
                outlook.condemnations.push_back(info);
            } else if (info.key.starts_with("notes/")) {
                outlook.notes.push_back(info);
            } else {
                other(info);
            }
        },
        stop);
    return outlook;
}

} // namespace backstay::core
