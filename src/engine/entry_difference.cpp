#include "engine/entry_difference.hpp"

namespace backstay::core
{

namespace
{

template <typename T>
bool differ(const std::optional<T>& a, const std::optional<T>& b)
{
    return a && b && *a != *b;
}

bool has_size(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image;
}

} // namespace

std::vector<std::string> differing_attributes(const Entry& before, const Entry& after)
{
    std::vector<std::string> what;
    if (before.kind != after.kind) {
        return {"kind"};
    }
    if (has_size(before.kind) && before.size != after.size) {
        what.emplace_back("size");
    }
    if (differ(before.mode, after.mode)) {
        what.emplace_back("mode");
    }
    if (differ(before.user_id, after.user_id) || differ(before.group_id, after.group_id)) {
        what.emplace_back("owner");
    }
    if (differ(before.modified, after.modified)) {
        what.emplace_back("modified");
    }
    if (before.link_target != after.link_target) {
        what.emplace_back("target");
    }
    if (before.device != after.device) {
        what.emplace_back("device");
    }
    if (before.xattrs != after.xattrs) {
        what.emplace_back("xattrs");
    }
    if (differ(before.file_flags, after.file_flags)) {
        what.emplace_back("flags");
    }
    return what;
}

} // namespace backstay::core
