#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace backstay::core
{

/// A file, folder, symlink, device… held by a descriptor, and the calls on its attributes. An
/// O_PATH descriptor does, too: it reaches what cannot or must not be opened. Setters return 0 or
/// errno. Borrows the descriptor.
class Inode
{
public:
    enum class Access { opened, path_only };
    Inode(int descriptor, Access access) : descriptor_(descriptor), access_(access) {}
    /// Asks the descriptor what it is.
    explicit Inode(int descriptor);

    /// Throws Error{target}.
    struct stat status() const;

    std::vector<std::string> xattr_names() const;
    /// Empty if there is none.
    std::optional<Bytes> xattr(const std::string& name) const;
    int set_xattr(const std::string& name, ByteSpan value) const;
    int remove_xattr(const std::string& name) const;

    /// Empty where there are no such flags: the file system has none, or the inode is neither file
    /// nor folder.
    std::optional<std::uint64_t> flags() const;
    int set_flags(std::uint64_t flags) const;

    int set_owner(std::optional<std::uint32_t> user, std::optional<std::uint32_t> group) const;
    int set_mode(std::uint32_t mode) const;
    int set_modified(Timestamp time) const;

private:
    const int descriptor_;
    const Access access_;
};

} // namespace backstay::core
