#include "target/link_groups.hpp"

#include <utility>

namespace backstay::core
{

LinkGroups::Joined LinkGroups::join(const LinkIdentity& identity, const LinkWish& wish)
{
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = groups_.try_emplace(identity);
    if (is_new) {
        return {};
    }
    if (at->second.made_as.folder) {
        return {Role::another, at->second.made_as};
    }
    at->second.waiting.push_back(wish);
    return {Role::waiting, {}};
}

std::vector<LinkWish> LinkGroups::made(const LinkIdentity& identity, TargetPlace place)
{
    const std::lock_guard lock(mutex_);
    Group& group = groups_[identity];
    group.made_as = std::move(place);
    return std::exchange(group.waiting, {});
}

std::vector<LinkWish> LinkGroups::failed(const LinkIdentity& identity)
{
    const std::lock_guard lock(mutex_);
    const auto at = groups_.find(identity);
    if (at == groups_.end()) {
        return {};
    }
    std::vector<LinkWish> waiting = std::move(at->second.waiting);
    groups_.erase(at);
    return waiting;
}

} // namespace backstay::core
