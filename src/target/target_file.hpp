#pragma once

#include "target/attributes.hpp"
#include "target/directory_target.hpp"
#include "target/folder.hpp"
#include "target/link_groups.hpp"
#include "target/placement.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace backstay::core
{

/// What the files of one restore share. Must outlive them.
struct TargetFileContext {
    DescriptorCache& descriptors;
    TemporaryNames& names;
    AttributeSetter& setter;
    bool sparse = false;
    PlacementRules rules;
};

/// A file on its way: nothing is made before the first byte, so that thousands may wait; then under
/// its name or beside it. Thread-safe, except that finish() and discard() end it.
class DirectoryTarget::File
{
public:
    enum class Beside { no, yes };
    File(TargetFileContext& context, TargetPlace place, Attributes wanted, std::uint64_t size,
         std::optional<LinkIdentity> link, std::optional<struct stat> there, Beside beside);

    const TargetPlace& place() const { return place_; }
    const Attributes& wanted() const { return wanted_; }
    const std::optional<LinkIdentity>& link() const { return link_; }
    std::uint64_t size() const { return size_; }
    std::string path() const { return place_.path(); }

    /// 0 where nothing is that could be read.
    std::size_t read_there(std::uint64_t offset, MutableByteSpan buffer);
    /// What lies at its place, for attributes and for reading. Throws Error if it is another file
    /// by now.
    FileDescriptor open_there() const;
    const std::optional<struct stat>& there() const { return there_; }

    /// How many bytes were written, which are fewer where zeros became holes. Throws Error.
    std::uint64_t write(std::uint64_t offset, ByteSpan bytes);
    bool is_made() const { return made_.load(); }
    /// Nothing more is written; finish() is not to be called.
    void fail() { failed_ = true; }
    bool failed() const { return failed_; }

    /// Sets the size and attributes and puts it in place. Returns the flags that are to be set at
    /// last. Throws Error.
    std::uint64_t finish();
    /// Removes what was made.
    void discard() noexcept;

private:
    std::shared_ptr<FileDescriptor> descriptor();
    FileDescriptor make();
    FileDescriptor open_again();
    void close();

    TargetFileContext& context_;
    const TargetPlace place_;
    const Attributes wanted_;
    const std::uint64_t size_;
    const std::optional<LinkIdentity> link_;
    const std::optional<struct stat> there_;
    std::string name_on_disk_;
    const bool beside_;
    std::atomic<bool> made_ = false;
    std::atomic<bool> failed_ = false;
    std::atomic<std::uint64_t> written_to_ = 0; ///< the end of what was written
    std::mutex mutex_;                          ///< held while it is made or opened
    DescriptorCache::Slot slot_;
    DescriptorCache::Slot slot_there_;
};

} // namespace backstay::core
