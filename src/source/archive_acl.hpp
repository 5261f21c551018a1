#pragma once

#include "base/owner_numbers.hpp"
#include "format/entry.hpp"

#include <string>
#include <vector>

struct archive_entry;

namespace backstay::core
{

/// Turns the access lists that an archive's entry has into extended attributes in the kernel's
/// form. One thread at a time.
class ArchiveAcls
{
public:
    /// Adds them to `entry`, whose mode is set, too: with a list, its group's rights are the list's
    /// mask. An extended attribute of the name that is there already stays. Returns what could not
    /// be kept, a message each.
    std::vector<std::string> take(archive_entry* from, Entry& entry);

private:
    OwnerNumbers numbers_;
};

} // namespace backstay::core
