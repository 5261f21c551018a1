#pragma once

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "repo/bounded_folder.hpp"
#include "store/object_store.hpp"

#include <atomic>
#include <stop_token>
#include <string>

namespace backstay::core
{

inline constexpr std::uint64_t standard_cache_limit = GiB;

/// Small immutable objects by way of a local folder (mode 0700), so that opening a repository costs
/// a get only for what is new. May be thrown away at any time; whatever is odd about it
/// (unreadable, damaged, full) only costs a get. What comes out is checked by the envelope or name
/// as if it came from the store. Thread-safe.
class ObjectCache
{
public:
    /// `folder`: of this repository; empty: no cache. It keeps at most about `limit` bytes.
    ObjectCache(ObjectStore& store, std::string folder, std::uint64_t limit = standard_cache_limit);

    /// At most `limit` bytes. Throws like get_object().
    Bytes get(const std::string& key, std::uint64_t limit, const std::stop_token& stop);
    /// The same from the store itself, after what the cache gave proved bad.
    Bytes get_again(const std::string& key, std::uint64_t limit, const std::stop_token& stop);

    /// While it lives everything comes from the store itself: what is to be proved is there, not
    /// here. Several may live at a time.
    class Bypass
    {
    public:
        explicit Bypass(ObjectCache& cache) : cache_(cache) { ++cache_.bypasses_; }
        ~Bypass() { --cache_.bypasses_; }
        Bypass(const Bypass&) = delete;
        Bypass& operator=(const Bypass&) = delete;

    private:
        ObjectCache& cache_;
    };

    /// What was made of objects and kept under `name`; null: nothing, or it is not to be believed
    /// now. Whoever reads it checks it.
    FileDescriptor open_kept(const std::string& name) const;
    /// Gives an unnamed file of this folder that name, in place of another. Best effort.
    void keep(const std::string& name, const FileDescriptor& file, std::uint64_t size);

    const std::string& folder() const { return folder_; }

private:
    std::string path_of(const std::string& key) const;

    ObjectStore& store_;
    std::string folder_;
    BoundedFolder objects_;
    std::atomic<unsigned> bypasses_{0};
};

} // namespace backstay::core
