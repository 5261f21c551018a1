#pragma once

#include "format/entry.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace backstay::core
{

/// Where the folders used lately lie, by path; also that there is none. Bounded. Thread-safe.
class KnownFolders
{
public:
    using Place = std::optional<Subtree>; ///< empty: there is no such folder
    /// Empty if nothing is known.
    std::optional<Place> find(std::string_view path) const;
    void add(std::string_view path, const Place& place);

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const
        {
            return std::hash<std::string_view>{}(text);
        }
    };
    mutable std::mutex mutex_; // guards all below
    std::unordered_map<std::string, Place, Hash, std::equal_to<>> places_;
    std::size_t used_ = 0;
};

} // namespace backstay::core
