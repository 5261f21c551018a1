#include "engine/linked_contents.hpp"

namespace backstay::core
{

std::optional<Content> LinkedContents::find(const LinkIdentity& link, const Bytes& token) const
{
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(link);
    const bool same = found != known_.end() && found->second.token == token;
    return same ? std::optional(found->second.content) : std::nullopt;
}

void LinkedContents::add(const LinkIdentity& link, const Bytes& token, const Content& content)
{
    const std::lock_guard lock(mutex_);
    if (known_.size() < most) {
        known_[link] = {token, content};
    }
}

} // namespace backstay::core
