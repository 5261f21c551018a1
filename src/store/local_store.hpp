#pragma once

#include "store/object_folder.hpp"
#include "store/object_store.hpp"
#include "store/publishing.hpp"

#include <memory>

namespace backstay::core
{

/// Objects as files below a folder of any mounted file system: ext4, xfs, NFS, SMB, FUSE, FAT.
///
/// create(): a temporary name in `tmp/`, the bytes (O_DIRECT where the file system takes it),
/// fsync, then link() to the name, or renameat2(RENAME_NOREPLACE) where there are no links, then
/// fsync of the folder. After any error of link() a link count of 2 means success (NFS repeats
/// calls). A failed fsync is final for that object. Which of the two the folder has is probed, on
/// the folder itself. Thread-safe.
class LocalStore : public ObjectStore
{
public:
    using Mode = ObjectFolder::Mode;

    /// Mode::create makes the folder (and its parents) if need be. Throws Error{not_found, denied,
    /// storage}: `subject` is the path. HardLinks::avoid goes by renames even where there are
    /// links.
    LocalStore(const std::string& path, Mode mode, HardLinks links = HardLinks::use);
    ~LocalStore() override;

    StoreDescription describe(const std::stop_token& stop) override;
    void probe(const std::stop_token& stop) override;
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override;
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override;
    void create(const std::string& key, const AlignedBuffer& object,
                const std::stop_token& stop) override;
    void remove(const std::string& key, const std::stop_token& stop) override;
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
