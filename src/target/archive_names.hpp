#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

namespace backstay::core
{

/// Names for formats that hold only UTF-8: bytes that are none become %XX, and no two paths become
/// one. Remembers what it renamed, and nothing else.
class ArchiveNames
{
public:
    /// Whether the snapshot has something at this path.
    using Exists = std::function<bool(const std::string& path)>;

    explicit ArchiveNames(Exists exists) : exists_(std::move(exists)) {}

    /// The path in the archive; the same one for the same path.
    std::string name_for(const std::string& path);
    /// The other way.
    std::string path_of(const std::string& archived) const;

private:
    std::string new_name(const std::string& parent, const std::string& new_parent,
                         const std::string& name) const;

    Exists exists_;
    std::unordered_map<std::string, std::string> renamed_;   ///< path -> path in the archive
    std::unordered_map<std::string, std::string> originals_; ///< path in the archive -> last name
};

} // namespace backstay::core
