#pragma once

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "format/entry.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace backstay::core
{

/// A folder whose attributes wait until everything is in it.
struct WaitingFolder {
    Entry entry;
    enum class Origin : std::uint8_t { made, found } origin = Origin::made;
    std::uint64_t locks = 0;           ///< flags taken away meanwhile
    std::optional<std::uint32_t> mode; ///< that it had, where it was widened meanwhile
    enum class Wanted : std::uint8_t { entry, as_found } wanted = Wanted::entry;
};

/// Folders in the order in which they were met, given back last first, so that one comes after all
/// that is in it. Large logs go to an unnamed temporary file: eight bytes a folder stay in memory.
/// One thread at a time.
class FolderLog
{
public:
    void add(const WaitingFolder& folder);
    /// Takes them out, last first.
    void drain(const std::function<void(const WaitingFolder&)>& each);

private:
    void spill();
    Bytes record(std::size_t index) const;

    std::vector<std::uint64_t> offsets_;
    std::uint64_t spilled_ = 0; ///< bytes in file_
    Bytes tail_;                ///< what comes behind them
    FileDescriptor file_;
};

} // namespace backstay::core
