#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace backstay::core
{

/// Keeps what lies in a folder of files below a size: what was used longest ago goes first.
/// Several processes may do so side by side. Best effort: what cannot be removed stays.
/// Thread-safe.
class BoundedFolder
{
public:
    BoundedFolder(std::string folder, std::uint64_t limit)
        : folder_(std::move(folder)), limit_(limit)
    {
    }

    /// A file of so many bytes has been put into it. Looks at the folder the first time, and
    /// whenever the limit may be reached.
    void added(std::uint64_t bytes);

private:
    std::uint64_t trim() const;

    const std::string folder_;
    const std::uint64_t limit_;
    std::mutex mutex_;                  // guards size_
    std::optional<std::uint64_t> size_; ///< about; empty: nobody has looked
};

} // namespace backstay::core
