#include "repo/known_folders.hpp"

namespace backstay::core
{

namespace
{

constexpr std::size_t memory_limit = 512 * 1024;
constexpr std::size_t cost_of_one = 160; ///< besides its path

} // namespace

std::optional<KnownFolders::Place> KnownFolders::find(std::string_view path) const
{
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(path);
    return found == places_.end() ? std::nullopt : std::optional<Place>(found->second);
}

void KnownFolders::add(std::string_view path, const Place& place)
{
    const std::size_t cost = path.size() + cost_of_one;
    if (cost > memory_limit / 4) {
        return;
    }
    const std::lock_guard lock(mutex_);
    // Walks come back to few folders: starting anew now and then costs less than keeping an order.
    if (used_ + cost > memory_limit) {
        places_.clear();
        used_ = 0;
    }
    if (places_.emplace(path, place).second) {
        used_ += cost;
    }
}

} // namespace backstay::core
