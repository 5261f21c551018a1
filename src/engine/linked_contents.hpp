#pragma once

#include "format/entry.hpp"

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

namespace backstay::core
{

/// Contents of files that have several names, so that each is read once. Bounded: beyond, a file is
/// read again. Thread-safe.
class LinkedContents
{
public:
    std::optional<Content> find(const LinkIdentity& link, const Bytes& token) const;
    void add(const LinkIdentity& link, const Bytes& token, const Content& content);

private:
    static constexpr std::size_t most = 100'000;
    struct Known {
        Bytes token;
        Content content;
    };
    mutable std::mutex mutex_; // guards known_
    std::map<LinkIdentity, Known> known_;
};

} // namespace backstay::core
