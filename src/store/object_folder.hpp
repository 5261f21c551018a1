#pragma once

#include "base/file.hpp"
#include "store/object_store.hpp"

#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// "packs/ab" of "packs/ab/abcd"; empty for a key without '/'.
std::string folder_of(const std::string& key);
/// "abcd" of "packs/ab/abcd".
std::string name_of(const std::string& key);

/// The folder on a mounted file system that holds a store's objects. Everything below is reached
/// name by name, and a symbolic link there is an error, never followed: one in the place of
/// `snapshots/` would hide what is in it from a list (a collector would then take all for garbage),
/// and whoever planted it could have files made and removed anywhere.
///
/// Errors have the key as subject and the whole place in the message. Thread-safe.
class ObjectFolder
{
public:
    enum class Mode { open, create };

    /// Mode::create makes the folder and its parents, durable in their own. Throws Error{not_found,
    /// denied, storage}: `subject` is the path.
    ObjectFolder(std::string path, Mode mode);

    const std::string& path() const { return path_; }
    int descriptor() const { return root_.get(); }

    /// The folder of this name below the root ("": the root itself); none if there is none.
    FileDescriptor open(const std::string& folder) const;

    /// The same, made if need be with its parents, each durable in its own.
    FileDescriptor make(const std::string& folder);

    /// Makes the names in an open folder durable. `key` is for the error.
    void sync(int folder, const std::string& key) const;

    /// The object's file, to be read; none if there is no such object.
    FileDescriptor open_object(const std::string& key) const;

    /// As read_at() and write_at(), with errors like fail().
    std::size_t read(int file, std::uint64_t offset, MutableByteSpan buffer,
                     const std::string& key) const;
    void write(int file, std::uint64_t offset, ByteSpan bytes, const std::string& key) const;

    std::optional<ObjectInfo> stat(const std::string& key) const;

    /// In byte order of the keys.
    std::vector<ObjectInfo> list(const std::string& prefix, const std::stop_token& stop) const;

    /// "cannot WHAT PLACE: why; what to do". ESTALE and its like pass, so they are {unavailable}.
    [[noreturn]] void fail(int system_error, std::string_view what, const std::string& key) const;

private:
    FileDescriptor open_again(const std::string& key) const;
    FileDescriptor open_child(int parent, const std::string& name, const std::string& key) const;
    void list_below(FileDescriptor folder, const std::string& name, const std::string& prefix,
                    std::vector<ObjectInfo>& found, const std::stop_token& stop) const;
    [[noreturn]] void refuse_link(const std::string& key) const;
    void sync_children(int parent, const std::string& folder);
    bool is_durable(const std::string& folder);

    std::string path_;
    FileDescriptor root_;
    std::mutex mutex_;              // guards durable_
    std::set<std::string> durable_; ///< folders: nobody removes any
};

} // namespace backstay::core
