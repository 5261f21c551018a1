#pragma once

#include "base/file.hpp"
#include "target/postgres/file_owner.hpp"

#include <cstdint>
#include <stop_token>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace backstay::core
{

/// A folder that a restored cluster, or one of its tablespaces, goes into: absent or empty before,
/// and so again after remove(), unless it was adopted. One thread at a time, except what opens and
/// makes files.
class ClusterFolder
{
public:
    explicit ClusterFolder(std::string path) : path_(std::move(path)) {}

    enum class State : std::uint8_t { absent, empty, filled };
    /// Throws Error{denied, target} where it cannot be looked at, or is no folder.
    State state() const;
    /// The owner of a folder that is there already.
    FileOwner owner() const;

    /// Takes it with all that is in it: remove() leaves it as it is then. Throws Error.
    void adopt();
    bool is_adopted() const { return is_adopted_; }
    /// Makes it, and its parents, if it is absent. Throws Error.
    void make(mode_t mode, const FileOwner& owner);
    void make_folder(const std::string& path, mode_t mode) const;
    /// A new file for writing. Thread-safe. Throws Error.
    FileDescriptor make_file(const std::string& path, mode_t mode) const;
    /// A file that may be written in place, for nothing else has a name for it; with this mode and
    /// owner then. Empty if there is none: what has the name otherwise is removed. Thread-safe.
    FileDescriptor open_own_file(const std::string& path, mode_t mode) const;
    /// Of a file that open_own_file() would open; 0 if there is none.
    std::uint64_t own_file_size(const std::string& path) const;
    FileDescriptor open_file(const std::string& path) const;
    /// For writing past the page cache; none if the file system does not let us. Thread-safe.
    FileDescriptor open_direct(const std::string& path) const;
    /// In the place of one that is there.
    void make_link(const std::string& path, const std::string& to) const;
    /// For what was opened by make_file().
    void give(int descriptor, const std::string& path) const;

    enum class Kind : std::uint8_t { file, folder, other };
    /// Names in the folder `path`; none if there is no such folder. Throws Error.
    std::vector<std::pair<std::string, Kind>> list(const std::string& path) const;
    bool has(const std::string& path) const;
    /// "" if there is no such link.
    std::string link_target(const std::string& path) const;
    void rename(const std::string& from, const std::string& to) const;
    /// As a whole, where it is a folder. Throws Error{target, cancelled}.
    void remove(const std::string& path, const std::stop_token& stop) const;

    /// All that was written to its file system is durable afterwards. Throws Error{target}.
    void sync() const;
    /// Makes the folder `path` in it, and what it names, durable. Throws Error{target}.
    void sync_folder(const std::string& path) const;
    void remove() noexcept;

    const std::string& path() const { return path_; }

private:
    std::string full(const std::string& path) const { return path_ + "/" + path; }

    const std::string path_;
    FileDescriptor folder_;
    FileOwner owner_;
    bool was_made_ = false;
    bool is_adopted_ = false;
};

} // namespace backstay::core
